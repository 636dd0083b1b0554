//! Writes messages, always by appending to a buffer so that several leave in one write.
//!
//! Names follow the protocol's. A NUL byte cannot be carried inside the protocol's strings and is
//! left out. Server messages come first, client messages after them.
//!
//! Source: PostgreSQL documentation, chapter "Message Formats".

use crate::backend::{self, TxStatus};
use crate::frontend;
use crate::sqlstate::SqlState;
use crate::startup::{self, CANCEL_KEY_LEN};

/// How severe an error or notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The command failed, the session goes on.
    Error,
    /// The session ends.
    Fatal,
    /// For the user's attention only.
    Notice,
}

impl Severity {
    /// The protocol's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Notice => "NOTICE",
        }
    }
}

/// What an error or notice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorFields<'a> {
    /// How severe it is.
    pub severity: Severity,
    /// What programs decide on.
    pub sqlstate: SqlState,
    /// What happened, in one line.
    pub message: &'a str,
    /// More about it.
    pub detail: Option<&'a str>,
    /// What to do about it.
    pub hint: Option<&'a str>,
}

/// Login succeeded.
pub fn authentication_ok(out: &mut Vec<u8>) {
    authentication(out, backend::AUTH_OK, |_| {});
}

/// Asks for the password in clear text.
pub fn authentication_cleartext(out: &mut Vec<u8>) {
    authentication(out, backend::AUTH_CLEARTEXT, |_| {});
}

/// Asks for the password, hashed with MD5 and `salt`.
pub fn authentication_md5(out: &mut Vec<u8>, salt: [u8; 4]) {
    authentication(out, backend::AUTH_MD5, |out| out.extend_from_slice(&salt));
}

/// Offers SASL mechanisms, in order of preference.
pub fn authentication_sasl(out: &mut Vec<u8>, mechanisms: &[&str]) {
    authentication(out, backend::AUTH_SASL, |out| {
        for mechanism in mechanisms {
            c_string(out, mechanism.as_bytes());
        }
        out.push(0);
    });
}

/// A SASL challenge.
pub fn authentication_sasl_continue(out: &mut Vec<u8>, data: &[u8]) {
    authentication(out, backend::AUTH_SASL_CONTINUE, |out| {
        out.extend_from_slice(data);
    });
}

/// The last SASL data of the server.
pub fn authentication_sasl_final(out: &mut Vec<u8>, data: &[u8]) {
    authentication(out, backend::AUTH_SASL_FINAL, |out| {
        out.extend_from_slice(data);
    });
}

/// Reports the value of a setting.
pub fn parameter_status(out: &mut Vec<u8>, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
    message(out, backend::PARAMETER_STATUS, |out| {
        c_string(out, name.as_ref());
        c_string(out, value.as_ref());
    });
}

/// Gives the client what it needs to cancel its queries.
///
/// # Panics
/// On a key outside [`CANCEL_KEY_LEN`].
pub fn backend_key_data(out: &mut Vec<u8>, pid: u32, key: &[u8]) {
    assert!(CANCEL_KEY_LEN.contains(&key.len()), "cancel key length");
    message(out, backend::BACKEND_KEY_DATA, |out| {
        out.extend_from_slice(&pid.to_be_bytes());
        out.extend_from_slice(key);
    });
}

/// Says that the next query may come, and where the transaction stands.
pub fn ready_for_query(out: &mut Vec<u8>, status: TxStatus) {
    message(out, backend::READY_FOR_QUERY, |out| {
        out.push(status.byte());
    });
}

/// Offers protocol 3.`minor` and names the protocol options that are not known.
pub fn negotiate_protocol_version(out: &mut Vec<u8>, minor: u16, unknown_options: &[String]) {
    message(out, backend::NEGOTIATE_PROTOCOL_VERSION, |out| {
        // Called the newest minor version in the documentation; PostgreSQL sends, and libpq
        // expects, the whole version with the major number in the upper half.
        out.extend_from_slice(&startup::version(minor).to_be_bytes());
        out.extend_from_slice(&length(unknown_options.len()));
        for option in unknown_options {
            c_string(out, option.as_bytes());
        }
    });
}

/// Reports an error.
pub fn error(out: &mut Vec<u8>, fields: &ErrorFields<'_>) {
    message(out, backend::ERROR_RESPONSE, |out| error_body(out, fields));
}

/// Tells the user something that is not an error.
pub fn notice(out: &mut Vec<u8>, fields: &ErrorFields<'_>) {
    message(out, backend::NOTICE_RESPONSE, |out| error_body(out, fields));
}

/// A simple query.
pub fn query(out: &mut Vec<u8>, sql: &str) {
    message(out, frontend::QUERY, |out| c_string(out, sql.as_bytes()));
}

/// Answers a request for a password, in clear text or hashed.
pub fn password(out: &mut Vec<u8>, password: &[u8]) {
    message(out, frontend::PASSWORD, |out| c_string(out, password));
}

/// Chooses a SASL mechanism and sends its first data.
pub fn sasl_initial_response(out: &mut Vec<u8>, mechanism: &str, data: &[u8]) {
    message(out, frontend::PASSWORD, |out| {
        c_string(out, mechanism.as_bytes());
        out.extend_from_slice(&length(data.len()));
        out.extend_from_slice(data);
    });
}

/// Answers a SASL challenge.
pub fn sasl_response(out: &mut Vec<u8>, data: &[u8]) {
    message(out, frontend::PASSWORD, |out| out.extend_from_slice(data));
}

/// Ends a batch of extended-query messages.
pub fn sync(out: &mut Vec<u8>) {
    message(out, frontend::SYNC, |_| {});
}

/// Says goodbye.
pub fn terminate(out: &mut Vec<u8>) {
    message(out, frontend::TERMINATE, |_| {});
}

/// Ends a COPY from the client with an error.
pub fn copy_fail(out: &mut Vec<u8>, reason: impl AsRef<[u8]>) {
    message(out, frontend::COPY_FAIL, |out| {
        c_string(out, reason.as_ref());
    });
}

/// Prepares a statement, leaving the types of its parameters to the server.
pub fn parse(out: &mut Vec<u8>, name: impl AsRef<[u8]>, sql: impl AsRef<[u8]>) {
    message(out, frontend::PARSE, |out| {
        c_string(out, name.as_ref());
        c_string(out, sql.as_ref());
        out.extend_from_slice(&[0, 0]);
    });
}

/// Binds a statement without parameters to a portal, with results as text.
pub fn bind(out: &mut Vec<u8>, portal: impl AsRef<[u8]>, statement: impl AsRef<[u8]>) {
    message(out, frontend::BIND, |out| {
        c_string(out, portal.as_ref());
        c_string(out, statement.as_ref());
        // No parameter formats, no parameters, no result formats: everything is text.
        out.extend_from_slice(&[0; 6]);
    });
}

/// Binds the unnamed statement to the unnamed portal with parameters as text, for results as text.
///
/// # Panics
/// There are more parameters, or longer ones, than the format has numbers for.
pub fn bind_text(out: &mut Vec<u8>, parameters: &[&[u8]]) {
    message(out, frontend::BIND, |out| {
        out.extend_from_slice(&[0, 0]);
        // No formats: everything is text.
        out.extend_from_slice(&[0, 0]);
        let count = u16::try_from(parameters.len()).expect("few parameters");
        out.extend_from_slice(&count.to_be_bytes());
        for parameter in parameters {
            out.extend_from_slice(&length(parameter.len()));
            out.extend_from_slice(parameter);
        }
        out.extend_from_slice(&[0, 0]);
    });
}

/// Runs a portal to its end.
pub fn execute(out: &mut Vec<u8>, portal: impl AsRef<[u8]>) {
    message(out, frontend::EXECUTE, |out| {
        c_string(out, portal.as_ref());
        // Zero rows means no limit.
        out.extend_from_slice(&[0; 4]);
    });
}

/// Asks for the parameters and columns of a statement.
pub fn describe_statement(out: &mut Vec<u8>, name: impl AsRef<[u8]>) {
    message(out, frontend::DESCRIBE, |out| {
        out.push(frontend::TARGET_STATEMENT);
        c_string(out, name.as_ref());
    });
}

/// Closes a statement. It is no error if there is none of this name.
pub fn close_statement(out: &mut Vec<u8>, name: impl AsRef<[u8]>) {
    message(out, frontend::CLOSE, |out| {
        out.push(frontend::TARGET_STATEMENT);
        c_string(out, name.as_ref());
    });
}

/// Writes a length that counts itself, then what `body` appends.
pub(crate) fn with_length(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = length(out.len() - start);
    out[start..start + 4].copy_from_slice(&length);
}

/// Writes a string and its NUL, without the NULs inside.
pub(crate) fn c_string(out: &mut Vec<u8>, text: &[u8]) {
    if text.contains(&0) {
        out.extend(text.iter().filter(|&&b| b != 0));
    } else {
        out.extend_from_slice(text);
    }
    out.push(0);
}

/// Any message, of which `body` appends the body.
pub fn message(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    with_length(out, body);
}

fn authentication(out: &mut Vec<u8>, request: u32, body: impl FnOnce(&mut Vec<u8>)) {
    message(out, backend::AUTHENTICATION, |out| {
        out.extend_from_slice(&request.to_be_bytes());
        body(out);
    });
}

fn error_body(out: &mut Vec<u8>, fields: &ErrorFields<'_>) {
    let mut field = |code: u8, text: &str| {
        out.push(code);
        c_string(out, text.as_bytes());
    };
    field(b'S', fields.severity.as_str());
    field(b'V', fields.severity.as_str());
    field(b'C', fields.sqlstate.as_str());
    field(b'M', fields.message);
    if let Some(detail) = fields.detail {
        field(b'D', detail);
    }
    if let Some(hint) = fields.hint {
        field(b'H', hint);
    }
    out.push(0);
}

/// A length or count as the protocol writes it.
fn length(len: usize) -> [u8; 4] {
    // What is encoded here is ours or was read under a bound far below this one.
    i32::try_from(len)
        .expect("a message stays below 2 GiB")
        .to_be_bytes()
}

#[cfg(test)]
mod tests;
