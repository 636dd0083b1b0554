use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, fmt, registry};

use super::Fields;

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

fn logged(log: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let layer = fmt::layer()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .fmt_fields(Fields::default())
        .boxed();
    tracing::subscriber::with_default(registry().with(layer), log);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn nothing_in_a_line_ends_it_or_steers_a_terminal() {
    for (evil, shown) in [
        ("\n", "\\n"),
        ("\r", "\\r"),
        ("\u{1b}[2J", "\\u{1b}[2J"),
        ("\u{85}", "\\u{85}"),
        ("\u{9b}", "\\u{9b}"),
        ("\u{2028}", "\\u{2028}"),
        ("\u{2029}", "\\u{2029}"),
        ("\u{202e}", "\\u{202e}"),
        ("\u{2066}", "\\u{2066}"),
        ("\u{200f}", "\\u{200f}"),
        ("\u{feff}", "\\u{feff}"),
        ("\u{e0041}", "\\u{e0041}"),
        ("ä 漢 \\", "ä 漢 \\"),
    ] {
        let line = logged(|| {
            tracing::warn!(user = evil, database = %evil, "said {evil}");
        });
        let (line, rest) = line.split_once('\n').unwrap();
        assert_eq!(rest, "", "one line");
        assert!(line.ends_with(&format!("database={shown}")), "{line}");
        // `tracing` escapes some of them in the message itself, in other words.
        let strange = evil.chars().next().filter(|_| evil != shown);
        assert!(strange.is_none_or(|c| !line.contains(c)), "{line}");
    }
}
