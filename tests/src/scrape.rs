//! Reading metrics as Prometheus does.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::pooler::Pooler;
use crate::wait::eventually;

/// The values of one scrape, by series as it is written.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    series: BTreeMap<String, f64>,
}

impl Scrape {
    /// The sum of all series of this name that have all of these labels, each as
    /// `name="value"`; `None` if there is none.
    pub fn sum(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let mut values = self
            .series
            .iter()
            .filter(|(series, _)| {
                let (own, rest) = series.split_once('{').unwrap_or((series, ""));
                own == name && labels.iter().all(|label| rest.contains(label))
            })
            .map(|(_, value)| *value)
            .peekable();
        values.peek()?;
        Some(values.sum())
    }
}

impl Pooler {
    /// The port of HTTP. The configuration has `http_listen`, with a port of 0 as a rule.
    ///
    /// # Panics
    /// If it is not served.
    #[track_caller]
    pub fn http_port(&self) -> u16 {
        eventually("HTTP is served", || {
            let log = self.log();
            let (_, rest) = log.split_once("serving HTTP on ")?;
            rest.lines().next()?.rsplit_once(':')?.1.parse().ok()
        })
    }

    /// What is at a path.
    ///
    /// # Panics
    /// If it is not shown.
    #[track_caller]
    pub fn get(&self, path: &str) -> String {
        let (status, body) = self.request("GET", path, None);
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Status and body of an answer, to a request that shows a token or none.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http_port())).expect("it listens");
        let token = token.map_or_else(String::new, |token| {
            format!("Authorization: Bearer {token}\r\n")
        });
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{token}Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        let status = text
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok());
        let (_, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        (status.expect("a status"), body.to_owned())
    }

    /// What `/metrics` says.
    ///
    /// # Panics
    /// If it says nothing that is well formed.
    #[track_caller]
    pub fn scrape(&self) -> Scrape {
        let body = self.get("/metrics");
        let series = body
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                Some((series.to_owned(), value.parse().ok()?))
            });
        Scrape {
            series: series.collect(),
        }
    }
}
