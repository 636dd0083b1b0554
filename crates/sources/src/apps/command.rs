//! The command line of a container: which server it starts, with how many processes and threads.

use crate::inventory::{Program, Text, Unknown, Variable};

use super::servers::{Each, Factor, Otherwise, SERVERS, Server};
use super::shell;

/// What a command line and the variables of its container start.
#[derive(Debug, Default)]
pub(crate) struct Started {
    /// Processes, kinds, and what is not known of them.
    pub(crate) program: Program,
    /// What limits the connections of each process.
    pub(crate) limit: Limit,
}

/// What limits the connections of a process.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Limit {
    /// Its pool.
    #[default]
    Pool,
    /// The number of its threads: how many, who says so, and where.
    Threads(u64, String, pgweir_advisor::facts::Origin),
    /// It opens one for each of its threads, and why their number is not known.
    Unknown(Unknown),
    /// It has one.
    One,
}

/// What a command starts; `None` if nothing of it is known. `words` are its entry point and arguments.
pub(crate) fn started(words: &[Text], variables: &[Variable]) -> Option<Started> {
    let commands = commands(words, variables);
    let mut found = commands.iter().filter_map(|words| server(words));
    let (server, at, words) = found.next()?;
    let line = Line {
        server,
        words,
        at,
        arguments: arguments(server, variables),
        variables,
    };
    let mut started = line.started();
    for (other, _, words) in found {
        // The same program in two branches of a script is one program.
        if other.names != server.names || other.verbs != server.verbs {
            started.program.unknown.push(Unknown {
                what: format!(
                    "the command starts {} besides {}",
                    other.names[0], server.names[0]
                ),
                add: "give it a service of its own in fleet.toml".to_owned(),
                key: None,
                origin: words[0].origin.clone(),
            });
        }
    }
    Some(started)
}

/// The simple commands of a command line: one, or those of the script that a shell runs.
fn commands(words: &[Text], variables: &[Variable]) -> Vec<Vec<Text>> {
    for (at, word) in words.iter().enumerate() {
        let shell = word
            .known()
            .is_some_and(|word| SHELLS.contains(&base(word)));
        let mut options = words[at + 1..]
            .iter()
            .take_while(|word| word.with_gaps().starts_with('-'));
        let option = options.position(|word| {
            let option = word.with_gaps();
            !option.starts_with("--") && option.ends_with('c')
        });
        let script = option.and_then(|option| words.get(at + 1 + option + 1));
        if let Some(script) = script.filter(|_| shell) {
            return shell::commands(script, variables);
        }
    }
    vec![words.to_vec()]
}

/// The server that a command runs, the place of its name, and the words.
fn server(words: &[Text]) -> Option<(&'static Server, usize, &[Text])> {
    words.iter().enumerate().find_map(|(at, word)| {
        let name = base(word.known()?);
        // `php-fpm8.3`, `php-fpm83`.
        let versionless = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let after = &words[at + 1..];
        let has = |verb: &&str| after.iter().any(|word| word.known() == Some(*verb));
        let found = SERVERS.iter().find(|server| {
            (server.names.contains(&name) || server.names == [versionless])
                && (server.verbs.is_empty() || server.verbs.iter().any(has))
        })?;
        Some((found, at, words))
    })
}

/// Arguments that gunicorn takes out of a variable. Those of the command line win.
fn arguments(server: &Server, variables: &[Variable]) -> Vec<Text> {
    let mut all = variables.iter();
    let found =
        all.find(|variable| server.names == ["gunicorn"] && variable.name == "GUNICORN_CMD_ARGS");
    let words = found.map(|variable| shell::commands(&variable.value, &[]));
    words.unwrap_or_default().concat()
}

/// A command line whose program is known.
struct Line<'a> {
    server: &'static Server,
    words: &'a [Text],
    /// Where the program's name is.
    at: usize,
    /// Arguments that are not on the command line.
    arguments: Vec<Text>,
    variables: &'a [Variable],
}

impl Line<'_> {
    fn started(&self) -> Started {
        let mut started = Started::default();
        let origin = &self.words[self.at].origin;
        started.program.server = Some(match self.server.names[0] {
            "rails" => "puma",
            name => name,
        });
        started.program.kind = self.server.kind.map(|kind| (kind, origin.clone()));
        if !self.is_solo() {
            match self.number(&self.server.processes) {
                Ok(number) if number.count == 1 && number.assumed => {}
                Ok(number) => started
                    .program
                    .multiply(number.count, number.by, number.origin),
                Err((Heard::Said, unknown)) => started.program.unknown.push(unknown),
                Err((Heard::Nothing, unknown)) => started.program.unsaid.push(unknown),
            }
        }
        started.limit = self.limit();
        started.program.unknown.extend(self.tasks());
        started
    }

    /// What limits the connections of a process.
    fn limit(&self) -> Limit {
        let threads = match &self.server.each {
            Each::Threads(threads) => threads,
            Each::Pool => return Limit::Pool,
            Each::One => return Limit::One,
        };
        let class = self.option(&["--worker-class", "-k"]);
        let class = class.as_ref().map(|(_, class)| class.with_gaps());
        match class {
            Some(class)
                if ["gevent", "eventlet"]
                    .iter()
                    .any(|word| class.contains(word)) =>
            {
                return Limit::Unknown(self.unknown(
                    format!(
                        "{} runs as many greenlets as there are requests, each with a connection unless a pool limits them",
                        self.server.names[0]
                    ),
                    "pool",
                ));
            }
            Some(class) if !["sync", "gthread"].contains(&class.trim()) => return Limit::Pool,
            _ => {}
        }
        if self.server.names.contains(&"uwsgi")
            && self.option(&["--gevent", "--async", "--asyncio"]).is_some()
        {
            let what = "uwsgi runs requests at once in each process, each with a connection unless a pool limits them";
            return Limit::Unknown(self.unknown(what.to_owned(), "pool"));
        }
        match self.number(threads) {
            Ok(number) => Limit::Threads(number.count, number.by, number.origin),
            Err((_, unknown)) => Limit::Unknown(Unknown {
                key: Some("pool"),
                add: "set pool of the service in fleet.toml".to_owned(),
                ..unknown
            }),
        }
    }

    /// Workers of Octane that run tasks besides those that serve requests.
    fn tasks(&self) -> Option<Unknown> {
        let (_, tasks) = self.option(&["--task-workers"])?;
        let known = tasks.known().and_then(|tasks| tasks.parse::<u64>().ok());
        let what = match known {
            Some(0) => return None,
            _ => format!(
                "octane runs {} task workers besides its workers",
                shown(&tasks)
            ),
        };
        Some(self.unknown(what, "processes"))
    }

    /// Celery's `--pool=solo` runs jobs in its only process.
    fn is_solo(&self) -> bool {
        let pool = self.option(&["--pool", "-P"]);
        self.server.names == ["celery"]
            && pool.is_some_and(|(_, pool)| pool.known() == Some("solo"))
    }

    fn option(&self, names: &[&str]) -> Option<(String, Text)> {
        option(&self.words[self.at + 1..], names).or_else(|| option(&self.arguments, names))
    }

    /// A file that may say what the command does not. uWSGI's needs no option.
    fn file(&self) -> Option<Text> {
        if let Some((_, file)) = self.option(self.server.files) {
            return Some(file);
        }
        let is_settings = |word: &&Text| {
            let (_, extension) = word.with_gaps().rsplit_once('.').unwrap_or_default();
            ["ini", "yaml", "yml", "json", "xml"].contains(&extension)
        };
        let uwsgi = self.server.names.contains(&"uwsgi");
        let mut words = self.words[self.at + 1..].iter();
        words.find(is_settings).filter(|_| uwsgi).cloned()
    }

    fn number(&self, factor: &Factor) -> Result<Number, (Heard, Unknown)> {
        let server = self.server.names[0];
        if let Some((name, value)) = self.option(factor.options) {
            return self
                .parse(factor, format!("{name} of {server}"), &value)
                .map_err(|unknown| (Heard::Said, unknown));
        }
        for name in factor.variables {
            let mut all = self.variables.iter();
            let found = all.find(|variable| variable.name == *name && !variable.value.is_empty());
            if let Some(variable) = found {
                return self
                    .parse(factor, (*name).to_owned(), &variable.value)
                    .map_err(|unknown| (Heard::Said, unknown));
            }
        }
        let is_fixed = factor.options.is_empty() && factor.variables.is_empty();
        if let Some(file) = self.file().filter(|_| !is_fixed) {
            let what = format!(
                "{server} takes its {} from {}, which this command does not show",
                factor.noun,
                shown(&file)
            );
            return Err((Heard::Nothing, self.unknown(what, "processes")));
        }
        let what = match factor.otherwise {
            Otherwise::Is(count) => {
                return Ok(Number {
                    count,
                    by: format!("{server}'s default of {}", factor.noun),
                    origin: self.words[self.at].origin.clone(),
                    assumed: true,
                });
            }
            Otherwise::Cores => {
                format!("{server} starts as many {} as there are cores", factor.noun)
            }
            Otherwise::Unlimited => format!(
                "{server} starts as many {} as there are requests, each with a connection unless a pool limits them",
                factor.noun
            ),
            Otherwise::File(file) => {
                format!("{server} takes its {} from {file}", factor.noun)
            }
        };
        Err((Heard::Nothing, self.unknown(what, "processes")))
    }

    fn parse(&self, factor: &Factor, by: String, value: &Text) -> Result<Number, Unknown> {
        let origin = value.origin.clone();
        let unknown = |what: String| Unknown {
            origin: origin.clone(),
            ..self.unknown(what, "processes")
        };
        let Some(text) = value.known() else {
            return Err(unknown(format!(
                "{by} is {}, which none of the files says",
                value.gaps().join(" and ")
            )));
        };
        // Puma has `min:max`, and Celery's autoscaler `max,min`.
        let text = text.trim().split(',').next().unwrap_or_default();
        let text = text.rsplit(':').next().unwrap_or(text);
        match text.parse::<i64>() {
            Ok(count) if count <= 0 && self.takes_zero_for_cores() => Err(unknown(format!(
                "{by} is {count}: as many as there are cores"
            ))),
            // Puma has no workers beside its own process then.
            Ok(count) => Ok(Number {
                count: count.max(1).unsigned_abs(),
                by,
                origin,
                assumed: false,
            }),
            Err(_) if ["auto", "max", "automatic"].contains(&text) => Err(unknown(format!(
                "{by} is {text}: as many as there are cores"
            ))),
            Err(_) => Err(unknown(format!(
                "{by} is no plain number of {}",
                factor.noun
            ))),
        }
    }

    fn takes_zero_for_cores(&self) -> bool {
        self.server.processes.otherwise == Otherwise::Cores
            || self.server.names.contains(&"pm2-runtime")
    }

    fn unknown(&self, what: String, key: &'static str) -> Unknown {
        Unknown {
            what,
            add: format!("set {key} of the service in fleet.toml"),
            key: Some(key),
            origin: self.words[self.at].origin.clone(),
        }
    }
}

/// Whether the command or a variable speaks of a number.
enum Heard {
    /// It does, but not plainly.
    Said,
    /// It leaves it to a file, or to a default.
    Nothing,
}

struct Number {
    count: u64,
    by: String,
    origin: pgweir_advisor::facts::Origin,
    /// Whether nobody says it.
    assumed: bool,
}

/// The last of these options and its value: `--workers=4`, `--workers 4`, `-w 4`, `-w4`.
pub(crate) fn option(words: &[Text], names: &[&str]) -> Option<(String, Text)> {
    words.iter().enumerate().rev().find_map(|(at, word)| {
        let text = word.with_gaps();
        names.iter().find_map(|name| {
            let after = text.strip_prefix(name)?;
            if after.is_empty() {
                return Some(((*name).to_owned(), words.get(at + 1)?.clone()));
            }
            let from = match after.strip_prefix('=') {
                Some(_) => name.len() + 1,
                None if !name.starts_with("--") => name.len(),
                None => return None,
            };
            Some(((*name).to_owned(), word.part(from..text.len())))
        })
    })
}

/// The name of a program without its folder.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn shown(text: &Text) -> String {
    match text.known() {
        Some(known) => known.to_owned(),
        None => text.gaps().join(" and "),
    }
}

const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "zsh", "ksh"];

#[cfg(test)]
mod tests;
