//! Messages of a client, one behind the other.

use pgweir_wire::{encode, frontend};

/// Bytes to send at once.
#[derive(Debug, Clone, Default)]
pub struct Batch(Vec<u8>);

impl Batch {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A simple query.
    #[must_use]
    pub fn query(mut self, sql: &str) -> Self {
        encode::query(&mut self.0, sql);
        self
    }

    /// Prepares a statement; the empty name is the unnamed one.
    #[must_use]
    pub fn parse(mut self, name: &str, sql: &str) -> Self {
        encode::parse(&mut self.0, name, sql);
        self
    }

    /// Binds text values to a statement, in a portal.
    #[must_use]
    pub fn bind(self, portal: &str, statement: &str, values: &[&str]) -> Self {
        let mut body = c_strings(&[portal, statement]);
        body.extend(0_u16.to_be_bytes());
        body.extend((values.len() as u16).to_be_bytes());
        for value in values {
            body.extend((value.len() as u32).to_be_bytes());
            body.extend(value.as_bytes());
        }
        body.extend(0_u16.to_be_bytes());
        self.message(frontend::BIND, &body)
    }

    /// Describes a statement.
    #[must_use]
    pub fn describe_statement(mut self, name: &str) -> Self {
        encode::describe_statement(&mut self.0, name);
        self
    }

    /// Describes a portal.
    #[must_use]
    pub fn describe_portal(self, name: &str) -> Self {
        let body = [&[frontend::TARGET_PORTAL], &*c_strings(&[name])].concat();
        self.message(frontend::DESCRIBE, &body)
    }

    /// Runs a portal for at most `rows` rows; 0 is all.
    #[must_use]
    pub fn execute(self, portal: &str, rows: u32) -> Self {
        let mut body = c_strings(&[portal]);
        body.extend(rows.to_be_bytes());
        self.message(frontend::EXECUTE, &body)
    }

    /// Closes a statement.
    #[must_use]
    pub fn close_statement(mut self, name: &str) -> Self {
        encode::close_statement(&mut self.0, name);
        self
    }

    /// Closes a portal.
    #[must_use]
    pub fn close_portal(self, name: &str) -> Self {
        let body = [&[frontend::TARGET_PORTAL], &*c_strings(&[name])].concat();
        self.message(frontend::CLOSE, &body)
    }

    /// Ends a batch.
    #[must_use]
    pub fn sync(mut self) -> Self {
        encode::sync(&mut self.0);
        self
    }

    /// Asks for the answers so far.
    #[must_use]
    pub fn flush(self) -> Self {
        self.message(frontend::FLUSH, &[])
    }

    /// Parse, Bind and Execute of the unnamed statement and portal.
    #[must_use]
    pub fn run(self, sql: &str, values: &[&str]) -> Self {
        self.parse("", sql).bind("", "", values).execute("", 0)
    }

    /// Data of a COPY.
    #[must_use]
    pub fn copy_data(self, data: &str) -> Self {
        self.message(frontend::COPY_DATA, data.as_bytes())
    }

    /// End of a COPY.
    #[must_use]
    pub fn copy_done(self) -> Self {
        self.message(frontend::COPY_DONE, &[])
    }

    /// End of a COPY with an error.
    #[must_use]
    pub fn copy_fail(mut self, reason: &str) -> Self {
        encode::copy_fail(&mut self.0, reason);
        self
    }

    /// Goodbye.
    #[must_use]
    pub fn terminate(mut self) -> Self {
        encode::terminate(&mut self.0);
        self
    }

    /// Any message.
    #[must_use]
    pub fn message(mut self, kind: u8, body: &[u8]) -> Self {
        self.0.push(kind);
        self.0.extend((body.len() as u32 + 4).to_be_bytes());
        self.0.extend(body);
        self
    }

    /// Any bytes.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn c_strings(texts: &[&str]) -> Vec<u8> {
    texts
        .iter()
        .flat_map(|text| [text.as_bytes(), b"\0"].concat())
        .collect()
}
