//! What a server sent, readable in one line.

use std::fmt;

use pgweir_wire::backend::{self, ErrorView};

/// One message of a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Its type byte.
    pub kind: u8,
    /// Its body.
    pub body: Vec<u8>,
}

impl Message {
    /// The SQLSTATE of an error or notice; empty if it has none.
    pub fn sqlstate(&self) -> String {
        self.field(b'C')
    }

    /// The text of an error or notice.
    pub fn text(&self) -> String {
        self.field(b'M')
    }

    /// A field of an error or notice; empty if it is not there.
    pub fn field(&self, code: u8) -> String {
        let view = ErrorView::parse(&self.body);
        String::from_utf8_lossy(view.field(code).unwrap_or_default()).into_owned()
    }

    /// The values of a row; NULL as `None`.
    pub fn row(&self) -> Vec<Option<String>> {
        let mut rest = &self.body[2..];
        let mut values = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk() {
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                values.push(None);
                rest = after;
                continue;
            };
            values.push(Some(String::from_utf8_lossy(&after[..length]).into_owned()));
            rest = &after[length..];
        }
        values
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = || {
            let text = self.body.strip_suffix(b"\0").unwrap_or(&self.body);
            shorten(&String::from_utf8_lossy(text))
        };
        match self.kind {
            backend::DATA_ROW => {
                let values: Vec<_> = self
                    .row()
                    .iter()
                    .map(|value| value.as_deref().map_or("NULL".to_owned(), shorten))
                    .collect();
                write!(f, "D({})", values.join(","))
            }
            backend::COMMAND_COMPLETE => write!(f, "C({})", text()),
            backend::COPY_DATA => write!(f, "d({})", text().trim_end()),
            backend::READY_FOR_QUERY => write!(f, "Z{}", text()),
            backend::ERROR_RESPONSE => write!(f, "E({})", self.sqlstate()),
            backend::NOTICE_RESPONSE => write!(f, "N({})", shorten(&self.text())),
            backend::PARAMETER_STATUS => write!(f, "S({})", text().replace('\0', "=")),
            kind => write!(f, "{}", kind.escape_ascii()),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        if self.kind == backend::ERROR_RESPONSE {
            write!(f, " {:?}", self.text())?;
        }
        Ok(())
    }
}

/// Messages up to a ReadyForQuery or the end of the stream.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Transcript {
    /// In the order in which they came.
    pub messages: Vec<Message>,
    /// The stream ended behind them.
    pub ended: bool,
}

impl Transcript {
    /// The values of all rows; NULL is an empty text.
    pub fn rows(&self) -> Vec<Vec<String>> {
        self.messages
            .iter()
            .filter(|message| message.kind == backend::DATA_ROW)
            .map(|message| {
                message
                    .row()
                    .into_iter()
                    .map(Option::unwrap_or_default)
                    .collect()
            })
            .collect()
    }

    /// The first value of the first row.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn value(&self) -> String {
        match self.rows().first().and_then(|row| row.first()) {
            Some(value) => value.clone(),
            None => panic!("no row in {self:?}"),
        }
    }

    /// The first error.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn error(&self) -> &Message {
        let is_error = |message: &&Message| message.kind == backend::ERROR_RESPONSE;
        match self.messages.iter().find(is_error) {
            Some(message) => message,
            None => panic!("no error in {self:?}"),
        }
    }

    /// Asserts that there is no error, and gives itself back.
    ///
    /// # Panics
    /// If there is one, or the stream ended.
    #[track_caller]
    pub fn success(self) -> Self {
        let failed = self
            .messages
            .iter()
            .any(|m| m.kind == backend::ERROR_RESPONSE);
        assert!(!failed && !self.ended, "{self:?}");
        self
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<_> = self.messages.iter().map(Message::to_string).collect();
        if self.ended {
            words.push("end".to_owned());
        }
        f.write_str(&words.join(" "))
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.messages.iter().map(|m| format!("{m:?}")).collect();
        let end = if self.ended { " end" } else { "" };
        write!(f, "{}{end}", words.join(" "))
    }
}

fn shorten(text: &str) -> String {
    if text.len() <= SHOWN_MAX {
        return text.to_owned();
    }
    format!("{} bytes", text.len())
}

const SHOWN_MAX: usize = 100;
