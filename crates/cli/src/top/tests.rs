use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use pgweir_telemetry::Live;
use pgweir_telemetry::live::SightWord;
use pgweir_telemetry::window::Window;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;

use super::act::{Act, ClientAct};
use super::fetch::{FetchError, Pooler};
use super::picture::{draw, lines, plain};
use super::sessions::sessions;
use super::tab::Tab;
use super::view::{After, View};

/// The document of a bad day, as an older pooler sends it.
const SAMPLE: &str = include_str!("../../../telemetry/testdata/live.json");

fn sample() -> Live {
    serde_json::from_str::<Live>(SAMPLE).unwrap().completed()
}

fn view(tab: Tab) -> View {
    let mut view = View::new(tab, "", Window::Minute);
    view.came(Ok(sample()));
    view
}

fn screen(view: &View) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(132, 14)).unwrap();
    terminal.draw(|frame| draw(frame, view, true)).unwrap();
    terminal
}

fn text(view: &View) -> String {
    lines(screen(view).backend().buffer()).join("\n")
}

fn press(view: &mut View, keys: &str) {
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            other => KeyCode::Char(other),
        };
        assert_eq!(view.press(KeyEvent::from(code)), After::GoOn);
    }
}

/// The screen is the recorded one. With RECORD set, records it anew, to be read before it is kept.
fn check(name: &str, view: &View) {
    let path = format!("{}/src/top/screens/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let got = text(view) + "\n";
    if std::env::var_os("RECORD").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap();
    assert!(got == recorded, "{path} differs:\n{got}");
}

#[test]
fn the_screens_are_as_recorded() {
    check("pools", &view(Tab::Pools));
    check("holders", &view(Tab::Holders));
    check("waits", &view(Tab::Waits));
    check("statements", &view(Tab::Statements));
    check("events", &view(Tab::Events));
    let mut helped = view(Tab::Pools);
    press(&mut helped, "?");
    check("help", &helped);
}

#[test]
fn what_is_wrong_is_red_where_colours_are_wanted_and_only_there() {
    let mut live = sample();
    live.pools[0].stats.login_failing = true;
    live.judge(&[]);
    let mut view = View::new(Tab::Pools, "", Window::Minute);
    view.came(Ok(live));
    let has_red = |terminal: &Terminal<TestBackend>| {
        let cells = &terminal.backend().buffer().content;
        cells.iter().any(|cell| cell.fg == Color::Red)
    };
    assert!(has_red(&screen(&view)));
    let mut bare = Terminal::new(TestBackend::new(132, 14)).unwrap();
    bare.draw(|frame| draw(frame, &view, false)).unwrap();
    let cells = &bare.backend().buffer().content;
    assert!(cells.iter().all(|cell| cell.fg == Color::Reset));
}

#[test]
fn a_leak_is_a_word_and_not_a_colour_alone() {
    for width in [80, 110, 132] {
        let plain = plain(&view(Tab::Holders), width);
        let leaks = plain.lines().filter(|line| line.contains(" leak "));
        let leaks: Vec<&str> = leaks.collect();
        assert_eq!(leaks.len(), 1, "{plain}");
        assert!(leaks[0].contains("idle in transaction"), "{plain}");
        assert!(
            plain.contains("behind") && plain.contains("locks"),
            "{plain}"
        );
    }
    let mut view = view(Tab::Holders);
    press(&mut view, "/leak\n");
    assert!(!text(&view).contains("storefront"));
}

#[test]
fn where_there_is_no_alarm_the_headline_says_how_it_goes() {
    let mut live = sample();
    live.alarms = Some(Vec::new());
    let headline = live.headline.as_mut().unwrap();
    headline.line = "All is\x1b[2J well.".to_owned();
    headline.is_well = true;
    let mut view = View::new(Tab::Pools, "", Window::Minute);
    view.came(Ok(live));
    assert!(plain(&view, 132).contains("\nAll is[2J well.\n"));
    let cells = &screen(&view).backend().buffer().content.clone();
    assert!(cells[132].fg == Color::Green);
}

#[test]
fn the_worst_alarms_are_shown_and_the_rest_counted() {
    let mut live = sample();
    for pool in &mut live.pools {
        pool.stats.login_failing = true;
    }
    live.judge(&[]);
    let mut view = View::new(Tab::Pools, "", Window::Minute);
    view.came(Ok(live));
    let plain = plain(&view, 132);
    assert_eq!(plain.matches("!! ").count(), 3, "{plain}");
    assert!(plain.contains("\n   and 1 more\n"), "{plain}");
}

#[test]
fn the_sessions_of_each_postgres_stand_against_its_limit() {
    let mut live = sample();
    let texts = |live: &Live| {
        let found = sessions(live).into_iter();
        let all: Vec<_> = found
            .map(|one| (one.is_tight, format!("{} {}", one.server, one.text)))
            .collect();
        all
    };
    let seen = "db1:5432 71 of 100 (61 ours, 7 elsewhere, 3 reserved, 21 at work on 8 cores)";
    let unseen = "db2:5432 not asked, no probe_user";
    assert_eq!(
        texts(&live),
        [(false, seen.to_owned()), (false, unseen.to_owned())]
    );
    let servers = live.postgres.as_mut().unwrap();
    let seen = servers[1].sessions.as_mut().unwrap();
    (seen.active_sessions, seen.ours) = (None, 81);
    servers[0].sight = SightWord::Away;
    let nearly = "db1:5432 91 of 100, nearly full (81 ours, 7 elsewhere, 3 reserved)";
    assert_eq!(
        texts(&live),
        [
            (true, nearly.to_owned()),
            (false, "db2:5432 no answer".to_owned())
        ]
    );
    let servers = live.postgres.as_mut().unwrap();
    servers[1].sessions.as_mut().unwrap().elsewhere = 30;
    assert!(texts(&live)[0].1.starts_with("db1:5432 114 of 100, full ("));
    live.postgres = None;
    let mut view = View::new(Tab::Pools, "", Window::Minute);
    view.came(Ok(live));
    assert!(
        !text(&view).contains("sessions"),
        "an older pooler says nothing"
    );
}

#[test]
fn keys_choose_the_table_and_its_order() {
    let mut view = view(Tab::Pools);
    press(&mut view, "4");
    assert_eq!(
        (view.look.tab, view.look.order()),
        (Tab::Statements, "total")
    );
    assert!(text(&view).find("orders").unwrap() < text(&view).find("order_items").unwrap());
    press(&mut view, "s");
    assert_eq!(view.look.order(), "calls");
    assert!(text(&view).find("order_items").unwrap() < text(&view).find("FROM orders").unwrap());
    press(&mut view, "\t\t\t\t");
    assert_eq!(view.look.tab, Tab::Pools);
    press(&mut view, "9");
    assert_eq!(view.look.tab, Tab::Pools, "there is no ninth");
    assert_eq!(view.press(KeyEvent::from(KeyCode::Left)), After::GoOn);
    assert_eq!(view.look.tab, Tab::Events);
}

#[test]
fn the_filter_leaves_what_has_all_its_words() {
    let mut view = view(Tab::Holders);
    press(&mut view, "/IMPORTER idle\n");
    let shown = text(&view);
    assert!(shown.contains("idle in transaction") && shown.contains("idle, pinned"));
    assert!(!shown.contains("storefront"));
    press(&mut view, "1");
    assert!(text(&view).contains("Nothing fits the filter."));
    view.press(KeyEvent::from(KeyCode::Esc));
    assert!(text(&view).contains("shop/web"));
    press(&mut view, "/q\n");
    assert_eq!(
        view.look.filter, "q",
        "letters are letters while it is typed"
    );
}

#[test]
fn a_held_picture_stays_and_says_so() {
    let mut view = view(Tab::Pools);
    press(&mut view, "h");
    let mut later = sample();
    later.clients = 999;
    view.came(Ok(later));
    assert!(text(&view).contains("471 of 1,000") && text(&view).contains("held"));
    press(&mut view, "h");
    assert!(text(&view).contains("999 of 1,000") && !text(&view).contains("held"));
}

#[test]
fn a_pooler_that_went_away_is_told_of_and_the_last_picture_kept() {
    let mut view = view(Tab::Pools);
    view.came(Err(FetchError::Timeout));
    let shown = text(&view);
    assert!(shown.contains("!! the pooler has not answered in 5 s; what is shown is old"));
    assert!(shown.contains("shop/web"));
    view.came(Ok(sample()));
    assert!(!text(&view).contains("not answered"));
}

#[test]
fn before_the_first_document_the_reason_stands_alone() {
    let mut view = View::new(Tab::Pools, "", Window::Minute);
    assert!(text(&view).contains("Asking the pooler."));
    view.came(Err(FetchError::Token { shown: false }));
    assert!(text(&view).contains("--token-file"));
}

#[test]
fn quitting_and_ctrl_c_differ() {
    let mut view = view(Tab::Pools);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(view.press(control_c), After::Interrupt);
    assert_eq!(view.press(KeyEvent::from(KeyCode::Char('q'))), After::Quit);
}

#[test]
fn a_section_that_is_absent_is_told_from_an_empty_one() {
    assert!(text(&view(Tab::Slow)).contains("No query was slow"));
    assert!(text(&view(Tab::Loops)).contains("Not reported:"));
}

#[test]
fn plain_text_has_every_row_and_no_keys() {
    let mut live = sample();
    let pool = live.pools[2].clone();
    for index in 0..60 {
        let mut pool = pool.clone();
        pool.stats.database = format!("db{index}");
        live.pools.push(pool);
    }
    let mut view = View::new(Tab::Pools, "", Window::Minute);
    view.came(Ok(live));
    let plain = plain(&view, 132);
    assert!(plain.contains("db59/jobs"));
    assert!(!plain.contains("q quit") && !plain.contains('\x1b'));
    assert!(plain.ends_with('\n') && !plain.ends_with("\n\n"));
}

#[test]
fn a_loop_that_many_clients_go_through_is_one_row() {
    let mut live = sample();
    let found = |application: &str, times| {
        let text = format!(
            r#"{{"at": "2025-10-30T14:03:0{times}.000Z", "database": "a", "user": "b",
            "applicationName": "{application}", "fingerprint": "f", "text": "SELECT 1",
            "times": {times}}}"#
        );
        serde_json::from_str(&text).unwrap()
    };
    live.n_plus_one = Some(vec![found("web", 4), found("jobs", 2), found("web", 7)]);
    let mut view = View::new(Tab::Loops, "", Window::Minute);
    view.came(Ok(live));
    let plain = plain(&view, 132);
    let rows: Vec<&str> = plain
        .lines()
        .filter(|line| line.contains("SELECT 1"))
        .collect();
    assert_eq!(rows.len(), 2, "{plain}");
    assert!(
        rows[0].starts_with("14:03:04       7x       2  a/b web"),
        "{plain}"
    );
}

#[test]
fn any_size_of_the_terminal_is_drawn_on() {
    for tab in Tab::ALL {
        for (width, height) in [(1, 1), (20, 4), (80, 24), (300, 90)] {
            let mut view = view(tab);
            press(&mut view, "?");
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| draw(frame, &view, true)).unwrap();
        }
    }
}

#[test]
fn a_narrow_terminal_has_fewer_columns_and_whole_ones() {
    for (width, seen, unseen) in [
        (132, vec!["refused", "clients", "query p99"], vec![]),
        (
            80,
            vec!["pool", "active", "limit", "wait p99", "tx/s"],
            vec!["refused", "servers  "],
        ),
        (
            46,
            vec!["pool", "active", "limit", "tx/s"],
            vec!["idle", "first"],
        ),
    ] {
        let plain = plain(&view(Tab::Pools), width);
        let header = plain
            .lines()
            .find(|line| line.starts_with("pool "))
            .unwrap();
        for name in seen {
            assert!(header.contains(name), "{name} of {width}: {header}");
        }
        for name in unseen {
            assert!(!header.contains(name), "no {name} of {width}: {header}");
        }
        assert!(plain.contains("shop/web"));
    }
}

#[test]
fn scrolling_stops_where_the_rows_end() {
    let mut view = view(Tab::Pools);
    press(&mut view, "jjjjjjjjjj");
    assert!(text(&view).contains("shop/jobs"));
}

/// Answers one request with this; gives what was asked.
fn answer(response: String) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let len = stream.read(&mut request).unwrap();
        stream.write_all(response.as_bytes()).unwrap();
        String::from_utf8(request[..len].to_vec()).unwrap()
    });
    (url, asked)
}

fn ask(url: &str, token: Option<&str>) -> Result<Live, FetchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let pooler = Pooler::parse(url, token.map(str::to_owned), None).unwrap();
    runtime.block_on(pooler.live(Window::Minute))
}

fn response(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_document_is_asked_for_as_the_pooler_wants_it() {
    let (url, asked) = answer(response("200 OK", SAMPLE));
    let live = ask(&format!("{url}/api/v2/"), Some("abc.def")).unwrap();
    assert_eq!(live.pools.len(), 3);
    let asked = asked.join().unwrap();
    assert!(
        asked.starts_with("GET /api/v2/live?window=1min HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(asked.contains("authorization: Bearer abc.def\r\n"));
    let host = url.strip_prefix("http://").unwrap();
    assert!(asked.contains(&format!("host: {host}\r\n")));
}

#[test]
fn every_answer_that_is_no_document_says_what_to_do() {
    let problem = r#"{"title":"Not Found","status":404,"detail":"set http_jwt_secret_file"}"#;
    for (answered, words) in [
        (
            response("401 Unauthorized", "{}"),
            "use --token-file or PGWEIR_TOKEN",
        ),
        (
            response("404 Not Found", problem),
            "404 Not Found: set http_jwt_secret_file",
        ),
        (response("404 Not Found", "<html>"), "no pgweir"),
        (response("200 OK", "<html>"), "no pgweir"),
        ("SSH-2.0-OpenSSH\r\n".to_owned(), "broke"),
        (String::new(), "broke"),
    ] {
        let (url, asked) = answer(answered);
        let error = ask(&url, None).unwrap_err().to_string();
        assert!(error.contains(words), "{words} in: {error}");
        asked.join().unwrap();
    }
    let (url, asked) = answer(response("401 Unauthorized", "{}"));
    let error = ask(&url, Some("x")).unwrap_err().to_string();
    assert!(error.contains("does not accept the token"), "{error}");
    assert!(
        asked
            .join()
            .unwrap()
            .starts_with("GET /api/v1/live?window=1min ")
    );
}

#[test]
fn a_url_that_cannot_be_asked_is_refused_with_the_reason() {
    for (url, words) in [
        ("db:6433", "http://"),
        ("ftp://db", "http://"),
        ("http://", "URL"),
        ("http://db/?x=1", "query"),
    ] {
        let error = Pooler::parse(url, None, None).err().unwrap();
        assert!(error.contains(words), "{words} in: {error}");
    }
    let error = Pooler::parse("http://db", Some("a\nb".to_owned()), None);
    assert!(error.err().unwrap().contains("token"));
    let missing = Some(Path::new("/nowhere/ca.pem"));
    for (url, words) in [
        ("https://db", "--ca-file /nowhere/ca.pem cannot be read"),
        ("http://db", "needs https://"),
    ] {
        let error = Pooler::parse(url, None, missing).err().unwrap();
        assert!(error.contains(words), "{words} in: {error}");
    }
}

#[test]
fn a_client_is_acted_on_after_a_question_and_only_the_one_that_was_chosen() {
    let mut view = view(Tab::Holders);
    press(&mut view, "e");
    assert!(text(&view).contains("Choose a client first"));
    press(&mut view, "j");
    assert!(
        !text(&view).contains("Choose a client first"),
        "said until the next key"
    );
    press(&mut view, "e");
    check("question", &view);
    // The rows change their order while the question stands; the client stays the same.
    let mut live = sample();
    live.holders.as_mut().unwrap().reverse();
    view.came(Ok(live.clone()));
    press(&mut view, "s");
    assert!(!text(&view).contains("End client"), "any other key is a no");
    press(&mut view, "c");
    assert!(text(&view).contains("Cancel what client 91 (shop/web importer, idle in transaction"));
    let act = Act {
        action: ClientAct::Cancel,
        client: "91".to_owned(),
    };
    let pressed = view.press(KeyEvent::from(KeyCode::Char('y')));
    assert_eq!(pressed, After::Do(act.clone()));
    view.say(act.done());
    assert!(text(&view).contains("Client 91 was told to stop what it does."));
    // Gone from the list, it is not replaced by who stands in its row.
    live.holders
        .as_mut()
        .unwrap()
        .retain(|holder| holder.client != "91");
    view.came(Ok(live));
    press(&mut view, "e");
    assert!(text(&view).contains("Client 91 holds no server any more."));
    press(&mut view, "y1e");
    assert!(
        !text(&view).contains("End client"),
        "only where clients are shown"
    );
}

#[test]
fn the_chosen_client_is_always_to_be_seen() {
    let mut live = sample();
    let holder = live.holders.as_ref().unwrap()[0].clone();
    live.holders = Some(
        (0..50)
            .map(|index| {
                let mut holder = holder.clone();
                holder.client = index.to_string();
                holder.user = format!("user{index}");
                holder.since_ms = 1000.0 - f64::from(index);
                holder
            })
            .collect(),
    );
    let mut view = View::new(Tab::Holders, "", Window::Minute);
    view.came(Ok(live));
    press(&mut view, "jjjjjjjjjjjjjjjjjjjj");
    assert!(text(&view).contains("shop/user19 "));
    for (key, user) in [
        (KeyCode::PageDown, "user29"),
        (KeyCode::PageUp, "user19"),
        (KeyCode::PageUp, "user9"),
        (KeyCode::PageUp, "user0"),
    ] {
        assert_eq!(view.press(KeyEvent::from(key)), After::GoOn);
        assert!(text(&view).contains(&format!("shop/{user} ")), "{user}");
    }
}

#[test]
fn an_act_is_posted_and_its_refusal_is_told() {
    let act = Act {
        action: ClientAct::End,
        client: "91".to_owned(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let send = |answered: String| {
        let (url, asked) = answer(answered);
        let pooler = Pooler::parse(&url, Some("abc".to_owned()), None).unwrap();
        let sent = runtime.block_on(pooler.act(&act));
        (sent, asked.join().unwrap())
    };
    let (sent, asked) = send(response("200 OK", "{}"));
    assert!(sent.is_ok());
    assert!(
        asked.starts_with("POST /api/v1/clients/91/end HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(asked.contains("authorization: Bearer abc\r\n"));
    let problem = r#"{"detail":"the token is good for reading only"}"#;
    let (sent, _) = send(response("403 Forbidden", problem));
    let error = sent.unwrap_err().to_string();
    assert!(error.contains("good for reading only"), "{error}");
}

#[test]
fn a_document_of_another_version_is_shown_as_far_as_it_goes() {
    let text = r#"{"version": "9", "timestamp": "", "uptimeSeconds": 1, "ready": true,
        "draining": false, "clients": 0, "clientsLimit": 5, "pools": [{"database": "a", "user": "b"}],
        "holders": [{"state": "active", "novel": 7}], "more": {}}"#;
    let mut view = View::new(Tab::Pools, "", Window::Minute);
    view.came(Ok(serde_json::from_str(text).unwrap()));
    assert!(text_of_all(&mut view).contains("a/b"));
}

fn text_of_all(view: &mut View) -> String {
    let mut all = String::new();
    for tab in Tab::ALL {
        view.look.tab = tab;
        all += &text(view);
    }
    all
}
