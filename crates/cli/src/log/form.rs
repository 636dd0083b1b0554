//! Lines in PgBouncer's form, as programs that read its log expect them:
//! `2026-11-27 17:00:00.123 UTC [4711] LOG C-0x1f: app/ann@10.0.0.7:51234 message`.

use std::fmt::{self, Debug, Write};
use std::process;
use std::time::SystemTime;

use pgweir_config::LogFormat;
use pgweir_settings::text::printable;
use pgweir_telemetry::timestamp::rfc3339;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes events in PgBouncer's form.
#[derive(Debug)]
pub(crate) struct BouncerForm {
    /// What stands for the port of a client that comes over a unix socket.
    pub(crate) port: u16,
}

impl<S, N> FormatEvent<S, N> for BouncerForm
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let head = head(SystemTime::now(), word(*event.metadata().level()));
        let body = said.body(self.port);
        writeln!(writer, "{head} {}", printable(&body))
    }
}

/// Moment, process and level, as they stand before each message.
pub(crate) fn head(moment: SystemTime, level: &str) -> String {
    let moment = rfc3339(moment);
    let moment = moment.trim_end_matches('Z').replace('T', " ");
    format!("{moment} UTC [{}] {level}", process::id())
}

/// PgBouncer's word for a level.
fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "LOG",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "NOISE",
    }
}

/// What of a line a log has to say that adds moment and process itself.
pub(crate) fn body(form: LogFormat, line: &str) -> &str {
    let heads = match form {
        LogFormat::Json => 0,
        LogFormat::Text => 1,
        LogFormat::PgBouncer => 5,
    };
    let mut rest = line.trim_end();
    for _ in 0..heads {
        rest = rest.split_once(' ').map_or(rest, |(_, rest)| rest);
    }
    rest.trim_start()
}

/// What an event says, apart by what it is about.
#[derive(Debug, Default)]
struct Said {
    message: String,
    database: Option<String>,
    user: Option<String>,
    client: Option<u64>,
    peer: Option<String>,
    /// A server by its number, or a PostgreSQL by its address.
    server: Option<String>,
    address: Option<String>,
    /// Everything else.
    rest: String,
}

impl Said {
    fn take(&mut self, name: &str, value: String) {
        match name {
            "message" => self.message = value,
            "database" => self.database = Some(value),
            "user" => self.user = Some(value),
            "client" => self.client = value.parse().ok(),
            "peer" => self.peer = Some(value),
            "server" => self.server = Some(value),
            "address" => self.address = Some(value),
            // The message has them in PgBouncer's words.
            "sqlstate" | "reason" => {}
            _ => {
                let _ = write!(self.rest, " {name}={value}");
            }
        }
    }

    /// Whose connection it is about, the message, and what else there is.
    fn body(mut self, port: u16) -> String {
        let mut body = String::new();
        let number = self
            .server
            .as_deref()
            .and_then(|name| name.strip_prefix('s'));
        let server = number.and_then(|number| number.parse::<u64>().ok());
        let whose = match (self.client, server) {
            (Some(client), _) => Some(('C', client)),
            (None, Some(server)) => Some(('S', server)),
            // Somebody of whom nothing but the address is known.
            (None, None) => self.peer.is_some().then_some(('C', 0)),
        };
        if let Some((kind, number)) = whose {
            let database = self.database.take();
            let user = self.user.take();
            let place = self.peer.take().or_else(|| self.address.take());
            let place = match place {
                Some(place) if place.starts_with("unix") && !place.contains(':') => {
                    format!("{place}:{port}")
                }
                Some(place) => place,
                None => format!("unix:{port}"),
            };
            let _ = write!(
                body,
                "{kind}-{number:#x}: {}/{}@{place} ",
                database.as_deref().unwrap_or("(nodb)"),
                user.as_deref().unwrap_or("(nouser)"),
            );
            if kind == 'S' {
                self.server = None;
            }
        }
        body.push_str(&self.message);
        let others = [
            ("database", self.database),
            ("user", self.user),
            ("server", self.server),
            ("address", self.address),
        ];
        for (name, value) in others {
            if let Some(value) = value {
                let _ = write!(body, " {name}={value}");
            }
        }
        body.push_str(&self.rest);
        body
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field.name(), value.to_owned());
    }
}

#[cfg(test)]
mod tests;
