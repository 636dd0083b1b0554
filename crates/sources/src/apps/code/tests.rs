//! What expressions of several languages are.

use pgweir_advisor::facts::Origin;
use proptest::prelude::*;

use super::{Code, Language};
use crate::apps::settings::Settings;
use crate::file::SourceFile;
use crate::inventory::Variable;

fn with<T>(language: Language, text: &str, look: impl FnOnce(&Code<'_>) -> T) -> T {
    let source = SourceFile { name: "a", text };
    let variables = [Variable::new("SET", "7", Origin::Default)];
    let settings = Settings {
        source: &source,
        variables: &variables,
    };
    look(&Code::new(settings, language))
}

/// The value of what is assigned to `x`: as it is, or its gaps in angle brackets.
fn value(language: Language, text: &str) -> String {
    with(language, text, |code| {
        let values = code.assignments("x");
        assert_eq!(values.len(), 1, "{text}");
        let value = code.value(values[0].clone());
        match value.known() {
            Some(known) => known.to_owned(),
            None => format!("<{}>", value.gaps().join(" ")),
        }
    })
}

#[test]
fn plain_values_and_references_with_defaults_are_read() {
    use Language::{Elixir, Go, Php, Python, Ruby, Script};
    for (language, text, expected) in [
        (Python, "x = 1_000  # many", "1000"),
        (Python, "x = int(os.environ.get('POOL', '5'))", "5"),
        (Python, "x = int(os.environ.get('SET', '5'))", "7"),
        (Python, "x = os.environ['POOL']", "<${POOL}>"),
        (Python, "x = config('POOL', default=5, cast=int)", "5"),
        (Python, "x = env.int(\"POOL\", default=5)", "5"),
        (Python, "x = int(os.getenv('POOL') or 5)", "5"),
        (Python, "SIZE = 3\nx = SIZE", "3"),
        (Python, "SIZE = 3\nSIZE = 4\nx = SIZE", "<SIZE>"),
        (
            Python,
            "x = multiprocessing.cpu_count() * 2 + 1",
            "<an expression>",
        ),
        (
            Python,
            "x = f'postgres://{USER}@db/{os.environ[\"SET\"]}'",
            "<USER>",
        ),
        (
            Script,
            "const x = parseInt(process.env.POOL || '12', 10);",
            "12",
        ),
        (
            Script,
            "const x: number = Number(process.env.POOL ?? 12)",
            "12",
        ),
        (Script, "const x = +process.env.SET! // 12", "7"),
        (
            Script,
            "const x = process.env.POOL ? Number(process.env.POOL) : 9;",
            "9",
        ),
        (Script, "const x = production ? 20 : 5;", "<an expression>"),
        (
            Script,
            "const x = /* 5 */ settings.pool.max;",
            "<settings.pool.max>",
        ),
        (Script, "const x = `a-${process.env.SET}`", "a-7"),
        (Ruby, "x = ENV.fetch(\"POOL\") { 5 }.to_i", "5"),
        (Ruby, "x = Integer(ENV.fetch('POOL', 6))", "6"),
        (Ruby, "x = Integer(ENV['SET'] || 6)", "7"),
        (Php, "x = (int) env('POOL', 8);", "8"),
        (Php, "x = env('DB', 'pgsql'); // other", "pgsql"),
        (
            Elixir,
            "x = String.to_integer(System.get_env(\"POOL\") || \"10\")",
            "10",
        ),
        (
            Elixir,
            "x = System.get_env(\"POOL\", \"11\") |> String.to_integer()",
            "11",
        ),
        (Go, "x := 25 // each", "25"),
        (Go, "x := runtime.NumCPU()", "<an expression>"),
    ] {
        assert_eq!(value(language, text), expected, "{text}");
    }
}

#[test]
fn calls_are_found_outside_of_comments_and_strings() {
    let text = "// open(1)\nconst a = \"open(2)\";\nopen({ max: 3, host: 'x(,)', ...rest });\nreopen(4);\nnew pg.Pool<X>();\nPool()";
    with(Language::Script, text, |code| {
        let calls = code.calls("open");
        assert_eq!(calls.len(), 1);
        assert_eq!(code.origin(calls[0].at).to_string(), "a:3");
        let inside = code.inside(calls[0].arguments.clone()).unwrap();
        let fields = code.fields(inside);
        let fields: Vec<_> = fields
            .iter()
            .map(|field| (field.key.as_str(), &code.plain()[field.value.clone()]))
            .collect();
        assert_eq!(fields, [("max", "3"), ("host", "'x(,)'"), ("...", "rest")]);
        assert_eq!(
            (code.calls("Pool").len(), code.constructed("Pool").len()),
            (2, 1)
        );
    });
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(x|=|:=|[(){}\\[\\]]|[\"'`#/*?:|.,]|é|\n| |env|process\\.env\\.|ENV\\.fetch|\\$\\{|\\\\){0,40}") {
        for language in [Language::Python, Language::Ruby, Language::Elixir, Language::Script, Language::Php, Language::Go] {
            with(language, &text, |code| {
                assert_eq!(code.plain.len(), text.len());
                assert_eq!(code.mask.len(), text.len());
                for value in code.assignments("x") {
                    let _ = code.value(value.clone());
                    code.inside(value.clone()).map(|inside| code.fields(inside));
                }
                for call in code.calls("x") {
                    code.fields(call.arguments);
                }
                code.constructed("x");
            });
        }
    }
}
