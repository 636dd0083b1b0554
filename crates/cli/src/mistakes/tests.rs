use std::fs;

use pgweir_advisor::fleet;
use pgweir_config::Source;

use super::{Mistake, text};
use crate::output::Terminal;

const PLAIN: Terminal = Terminal {
    width: 80,
    colours: false,
    unicode: true,
};

/// What is told of `content` as a description of a fleet.
fn told(content: &str, terminal: Option<Terminal>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fleet.toml");
    fs::write(&file, content).unwrap();
    let (draft, problems) = fleet::read(&file.display().to_string(), content);
    let problems = fleet::resolve(&draft, problems).unwrap_err();
    let mistakes: Vec<Mistake> = problems.iter().map(Mistake::from).collect();
    let place = format!("{}/", folder.path().display());
    text(&mistakes, terminal).replace(&place, "")
}

#[test]
fn a_terminal_shows_the_place_what_is_allowed_and_what_to_write() {
    let text = told(
        "[services.api]\nkind = \"sqlx\"\n  pool=-1 # no\nreplica = 3\n[operations]\n",
        Some(PLAIN),
    );
    let expected = "  error: services.api.pool = -1
   ╭─[fleet.toml:3:8]
 3 │ pool = -1
   ·        ─┬
   ·         ╰── must be a whole number from 1 to 10000
   ╰────
  help: write pool = 1

  error: services.api.replica
   ╭─[fleet.toml:4:1]
 4 │ replica = …
   · ─────┬─────
   ·      ╰── unknown setting
   ╰────
  help: did you mean replicas?

2 problems";
    assert_eq!(text, expected);
}

#[test]
fn what_is_no_toml_has_its_place_where_the_setting_is_known() {
    let content = "[services.api]\npool = 5 5\nword = 5 5\n";
    let text = told(content, Some(PLAIN));
    for words in [
        "[fleet.toml:2:1]\n 2 │ pool = …\n   · ────┬───\n   ·     ╰── ",
        "error: fleet.toml:3: ",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

#[test]
fn elsewhere_each_mistake_is_a_line_that_begins_with_its_place() {
    let text = told("[services.api]\nkind = \"rust\"\npool = 0\n", None);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("fleet.toml:2: services.api.kind = \"rust\": must be one of "));
    assert!(lines[1].starts_with("fleet.toml:3: services.api.pool = 0: must be a whole number"));
    assert_eq!(lines[2], "2 problems");
}

#[test]
fn colours_and_letters_are_those_of_the_terminal() {
    let content = "[services.api]\npool = 0\n";
    let with = |colours, unicode| {
        let terminal = Terminal {
            width: 80,
            colours,
            unicode,
        };
        told(content, Some(terminal))
    };
    for (colours, unicode) in [(true, true), (true, false), (false, true), (false, false)] {
        let text = with(colours, unicode);
        assert_eq!(text.contains('\x1b'), colours, "{text}");
        assert_eq!(text.is_ascii(), !unicode, "{text}");
    }
}

#[test]
fn a_narrow_terminal_is_not_overrun_by_words() {
    let content = "[services.api]\nkind = \"rust\"\nrequest_deadline = 5\nsurge = \"x\"\n";
    for width in [40, 50, 60] {
        let terminal = Terminal { width, ..PLAIN };
        let text = told(content, Some(terminal));
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}\n{text}");
        }
    }
}

#[test]
fn no_secret_of_a_line_is_quoted() {
    const SECRET: &str = "hunter2";
    for line in [
        // Where no such setting is.
        "password = \"hunter2\"",
        "DB_PASSWORD = \"hunter2\"",
        "url = \"postgres://app:hunter2@db/app\"",
        "\"pass word\" = \"hunter2\"",
        "url.password = \"hunter2\"",
        // In the wrong place.
        "pool = \"postgres://app:hunter2@db/app\"",
        "pool = 'postgres://app:hunter2@db/app'",
        "pool = \"host=db password=hunter2\"",
        "via = \"app:hunter2@db\"",
        "replicas = [\"postgres://app:hunter2@db/app\"]",
        // Beside the mistake.
        "pool = -1 # hunter2",
        "pool = -1 # was postgres://app:hunter2@db/app",
        // In what is no TOML.
        "password = hunter2",
        "user = app:hunter2",
        "image = postgres://app:hunter2@db/app",
        "pool = 5 password = \"hunter2\"",
        "password = \"hunter2",
        "user = \"\"\"app\nhunter2",
        "user = \"\"\"app\nhunter2= x",
        "user = \"\"\"a\\q\nhunter2 = 1\n[hunter2]\n\"\"\"",
        "user = \"\"a\nhunter2 = 1\n\"\"\"",
        "user = \"abc\nhunter2 = \"x\"",
        "user = '''a\u{1}\nhunter2 = 1\n[hunter2]\n'''",
        "hunter2",
        "hunter2 = 5 5",
        "[hunter2",
        "password = [\n\"hunter2\",\n\"hunter2",
        // In one line with it.
        "hold = { password = \"hunter2\" }",
        "tasks = 0\ndsns = 1, \"hunter2\"",
    ] {
        // A name is told as it always was; these lines have theirs in the wrong place.
        let name = line.starts_with("hunter2 = ") || line.starts_with("[hunter2");
        let content = format!("[services.api]\n{line}\n");
        for terminal in [None, Some(PLAIN)] {
            let text = told(&content, terminal);
            assert!(name || !text.contains(SECRET), "{line}:\n{text}");
        }
    }
    let inline = "services = { api = { pool = -1, password = \"hunter2\" } }\n";
    let text = told(inline, Some(PLAIN));
    assert!(
        text.contains("pool = -1") && !text.contains(SECRET),
        "{text}"
    );
}

#[test]
fn no_password_of_the_pooler_is_quoted() {
    const SECRET: &str = "hunter2";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pgweir.toml");
    for (line, shown) in [
        ("[users.app]\npassword = 5", None),
        ("[users.app]\npasswrd = \"hunter2\"", Some("passwrd = …")),
        ("[users.app]\npassword = hunter2", None),
        ("[users.app]\npassword = \"hunter2", None),
        ("[users.app]\npassword = \"abc\nhunter2 = \"x\"", None),
        (
            "[users.app]\npassword = \"\"a\nhunter2 = 1\n[hunter2]\nx = 1\n\"\"\"",
            None,
        ),
        ("hunter2 = 1\n[users.app]\npassword = \"abc", None),
        (
            "[users.app]\npassword = \"\"\"a\\q\nhunter2 = 1\n[hunter2]\n\"\"\"",
            None,
        ),
        (
            "[databases.app]\nhost = \"db\"\npassword = \"a\nhunter2\"",
            None,
        ),
        (
            "[databases.app]\npool_mode = \"x\" # hunter2",
            Some("pool_mode = \"x\""),
        ),
        ("[databases.app]\npool_size = -4", Some("pool_size = -4")),
    ] {
        fs::write(&file, line).unwrap();
        let problems = pgweir_proxy::load(&Source::File(file.clone()))
            .err()
            .unwrap();
        let mistakes: Vec<Mistake> = problems.iter().map(Mistake::from).collect();
        for terminal in [None, Some(PLAIN)] {
            let text = text(&mistakes, terminal);
            assert!(!text.contains(SECRET), "{line}:\n{text}");
            if let (Some(shown), Some(_)) = (shown, terminal) {
                assert!(text.contains(shown), "{line}:\n{text}");
            }
        }
    }
}

#[test]
fn what_changed_in_the_meantime_is_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fleet.toml");
    let content = "[services.api]\npool = -1\n";
    let (draft, problems) = fleet::read(&file.display().to_string(), content);
    let problems = fleet::resolve(&draft, problems).unwrap_err();
    let mistakes: Vec<Mistake> = problems.iter().map(Mistake::from).collect();
    for there in [
        "",
        "[services.api]\n",
        "x\nword = -1\n",
        "x\n\u{e9}\u{e9}\u{e9}\n",
    ] {
        fs::write(&file, there).unwrap();
        let wide = Terminal {
            width: 300,
            ..PLAIN
        };
        let text = text(&mistakes, Some(wide));
        assert!(!text.contains('╭'), "{text}");
        assert!(
            text.contains("fleet.toml:2: services.api.pool = -1: must be"),
            "{text}"
        );
        assert!(text.contains("help: write pool = 1"), "{text}");
    }
}
