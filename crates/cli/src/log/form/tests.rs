use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use pgweir_config::LogFormat;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, fmt, registry};

use super::{BouncerForm, body};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `log` leaves.
fn logged(log: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let layer = fmt::layer()
        .event_format(BouncerForm { port: 6432 })
        .with_writer(move || writer.clone())
        .boxed();
    tracing::subscriber::with_default(registry().with(layer), log);
    let bytes = lines.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_line_says_whose_connection_it_is_about() {
    let own = std::process::id();
    let lines = logged(|| {
        tracing::info!(
            database = "app",
            user = "ann",
            client = 31_u32,
            peer = "10.0.0.7:51234",
            "came"
        );
        tracing::warn!(
            database = "app",
            user = "ann",
            client = 31_u32,
            peer = "unix(17)",
            sqlstate = "57P03",
            "went"
        );
        tracing::info!(client = 7_u32, peer = "[::1]:99", "unknown");
        tracing::error!(database = "app", user = "ann", server = %"s16", address = "10.0.0.9:5432", "lost");
        tracing::debug!(peer = "10.0.0.7:1", "spoke");
        tracing::info!(database = "app", clients = 3, server = "db:5432", "told");
    });
    let expected = [
        "LOG C-0x1f: app/ann@10.0.0.7:51234 came",
        "WARNING C-0x1f: app/ann@unix(17):6432 went",
        "LOG C-0x7: (nodb)/(nouser)@[::1]:99 unknown",
        "ERROR S-0x10: app/ann@10.0.0.9:5432 lost",
        "DEBUG C-0x0: (nodb)/(nouser)@10.0.0.7:1 spoke",
        "LOG told database=app server=db:5432 clients=3",
    ];
    assert_eq!(lines.len(), expected.len());
    for (line, expected) in lines.iter().zip(expected) {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        assert_eq!(words[2..4], ["UTC", &format!("[{own}]")], "{line}");
        assert_eq!((words[0].len(), words[1].len()), (10, 12), "{line}");
        assert_eq!(words[4], expected);
    }
}

#[test]
fn nothing_in_a_line_ends_it() {
    let lines = logged(|| {
        let evil = "a\nb\u{1b}[2J";
        tracing::info!(
            database = evil,
            user = evil,
            client = 1_u32,
            peer = evil,
            other = evil,
            "said {evil}"
        );
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(!lines[0].contains('\u{1b}'), "{lines:?}");
}

#[test]
fn the_systems_log_gets_what_it_does_not_know_itself() {
    for (form, line, rest) in [
        (LogFormat::Json, "{\"a\": 1}\n", "{\"a\": 1}"),
        (
            LogFormat::Text,
            "2026-11-27T17:00:00.123456Z  INFO pgweir_proxy: a b\n",
            "INFO pgweir_proxy: a b",
        ),
        (
            LogFormat::PgBouncer,
            "2026-11-27 17:00:00.123 UTC [1] LOG a  b\n",
            "a  b",
        ),
        (LogFormat::PgBouncer, "short\n", "short"),
    ] {
        assert_eq!(body(form, line), rest);
    }
}
