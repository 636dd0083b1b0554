//! Which reader a file of settings has: by its name and what is in it.

use crate::file::SourceFile;
use crate::inventory::{Program, Variable};

use super::code::{Code, Language};
use super::settings::Settings;
use super::{
    django, dockerfile, ecto, fpm, golang, gunicorn, json, laravel, pm2, prisma, processes, puma,
    python, rails, rust, script, spring, uwsgi,
};

/// What a file of settings says of the pools of programs; `None` if it is of no kind that is known here.
/// `variables` are those of the program that reads it, as far as they are known.
pub(crate) fn read(source: &SourceFile<'_>, variables: &[Variable]) -> Option<Vec<Program>> {
    let settings = Settings { source, variables };
    let file = settings.file_name();
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    let read: fn(Settings<'_>) -> Vec<Program> = match (file.as_str(), extension) {
        ("database.yml" | "database.yaml", _) => rails::database_yml,
        ("sidekiq.yml" | "sidekiq.yaml", _) => rails::sidekiq_yml,
        ("puma.rb", _) => puma::read,
        (_, "py") if file.contains("gunicorn") => gunicorn::read,
        (_, "py") => python,
        (name, _) if name == "procfile" || name.starts_with("procfile.") => processes::procfile,
        (_, "ini") if settings.text().contains("[uwsgi]") => uwsgi::read,
        (_, "conf" | "ini") if settings.text().contains("[program:") => processes::supervisor,
        (name, "js" | "cjs" | "mjs" | "json")
            if PM2.iter().any(|start| name.starts_with(start)) =>
        {
            pm2
        }
        (name, "json") if name.starts_with("appsettings") => appsettings,
        ("ormconfig.json", _) => orm,
        ("config.json" | "database.json", _) if settings.text().contains("\"dialect\"") => orm,
        (name, _)
            if name == "dockerfile"
                || name.starts_with("dockerfile.")
                || name.starts_with("dockerfile-")
                || name.ends_with(".dockerfile") =>
        {
            dockerfile::read
        }
        (_, "prisma") => prisma::schema,
        (_, "conf") if fpm::is_fpm(settings) => fpm::read,
        ("database.php" | "horizon.php", _) => php,
        (name, _) if name.starts_with("prisma.config.") => prisma::config,
        (_, "go") => golang,
        (_, "rs") => rust::read,
        (_, "exs") => elixir,
        (_, "js" | "ts" | "mjs" | "cjs" | "mts" | "cts" | "tsx" | "jsx") => scripted,
        (_, "yml" | "yaml" | "properties")
            if file.starts_with("application")
                || (is_spring(&file) && spring::is_settings(source)) =>
        {
            spring::read
        }
        _ => return None,
    };
    Some(read(settings))
}

/// Python: settings of Django, or source.
fn python(settings: Settings<'_>) -> Vec<Program> {
    let code = Code::new(settings, Language::Python);
    let mut programs = python::read(&code);
    if django::is_settings(&code) {
        // What says nothing is not needed.
        programs.retain(|program| program.name.is_some() || !program.addresses.is_empty());
        programs.extend(django::read(&code));
    }
    programs
}

/// Configuration of Laravel. Other files of PHP say nothing of their connections.
fn php(settings: Settings<'_>) -> Vec<Program> {
    let code = Code::new(settings, Language::Php);
    match settings.file_name().as_str() {
        "horizon.php" => laravel::horizon(&code),
        _ => laravel::database(&code),
    }
}

fn pm2(settings: Settings<'_>) -> Vec<Program> {
    pm2::read(&Code::new(settings, Language::Script))
}

fn appsettings(settings: Settings<'_>) -> Vec<Program> {
    json::appsettings(&Code::new(settings, Language::Script))
}

fn orm(settings: Settings<'_>) -> Vec<Program> {
    json::orm(&Code::new(settings, Language::Script))
}

fn golang(settings: Settings<'_>) -> Vec<Program> {
    golang::read(&Code::new(settings, Language::Go))
}

fn elixir(settings: Settings<'_>) -> Vec<Program> {
    ecto::read(&Code::new(settings, Language::Elixir))
}

fn scripted(settings: Settings<'_>) -> Vec<Program> {
    script::read(&Code::new(settings, Language::Script))
}

/// `application.yml`, `application-prod.properties`, `bootstrap.yml`.
fn is_spring(file: &str) -> bool {
    ["application", "bootstrap"]
        .iter()
        .any(|stem| file.starts_with(stem))
}

/// How names of PM2's files begin.
const PM2: [&str; 4] = ["ecosystem.", "pm2.", "processes.json", "process.json"];
