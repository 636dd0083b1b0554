//! The five-character error codes of PostgreSQL.
//!
//! Only codes that the pooler itself sends or decides on have a name here; any other code of a
//! server passes as it is.
//!
//! Source: PostgreSQL documentation, appendix "PostgreSQL Error Codes".

use std::fmt;

/// An SQLSTATE: five characters out of `0-9A-Z`, the first two of which are the class.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState(pub [u8; 5]);

impl SqlState {
    /// `53300`: no further connection is allowed, or a queue is full. Drivers may retry later.
    pub const TOO_MANY_CONNECTIONS: Self = Self(*b"53300");
    /// `53400`: a configured limit other than the number of connections was exceeded.
    pub const CONFIGURATION_LIMIT_EXCEEDED: Self = Self(*b"53400");
    /// `57P03`: the database cannot be reached or is starting; a later attempt may succeed.
    pub const CANNOT_CONNECT_NOW: Self = Self(*b"57P03");
    /// `57P01`: the connection is closed by the operator.
    pub const ADMIN_SHUTDOWN: Self = Self(*b"57P01");
    /// `57P05`: the session was idle for too long.
    pub const IDLE_SESSION_TIMEOUT: Self = Self(*b"57P05");
    /// `57014`: the query was cancelled, by request or by a timeout.
    pub const QUERY_CANCELED: Self = Self(*b"57014");
    /// `54000`: there is more of something than there may be.
    pub const PROGRAM_LIMIT_EXCEEDED: Self = Self(*b"54000");
    /// `26000`: there is no such prepared statement.
    pub const INVALID_STATEMENT_NAME: Self = Self(*b"26000");
    /// `08P01`: the peer broke the protocol.
    pub const PROTOCOL_VIOLATION: Self = Self(*b"08P01");
    /// `08006`: an established connection failed.
    pub const CONNECTION_FAILURE: Self = Self(*b"08006");
    /// `28P01`: the password is wrong.
    pub const INVALID_PASSWORD: Self = Self(*b"28P01");
    /// `28000`: the user may not log in, whatever the password.
    pub const INVALID_AUTHORIZATION: Self = Self(*b"28000");
    /// `3D000`: the database does not exist.
    pub const INVALID_CATALOG_NAME: Self = Self(*b"3D000");
    /// `0A000`: a feature that is not there was asked for.
    pub const FEATURE_NOT_SUPPORTED: Self = Self(*b"0A000");
    /// `00000`: all is well.
    pub const SUCCESSFUL_COMPLETION: Self = Self(*b"00000");
    /// `22021`: bytes that are no text in the encoding they should have.
    pub const CHARACTER_NOT_IN_REPERTOIRE: Self = Self(*b"22021");
    /// `42P05`: there is a prepared statement of this name.
    pub const DUPLICATE_PREPARED_STATEMENT: Self = Self(*b"42P05");
    /// `42P03`: there is a portal of this name.
    pub const DUPLICATE_CURSOR: Self = Self(*b"42P03");
    /// `34000`: there is no such portal.
    pub const INVALID_CURSOR_NAME: Self = Self(*b"34000");
    /// `42703`: there is no such column.
    pub const UNDEFINED_COLUMN: Self = Self(*b"42703");
    /// `F0000`: the configuration has a mistake.
    pub const CONFIG_FILE_ERROR: Self = Self(*b"F0000");
    /// `22023`: a parameter has a value that cannot be used.
    pub const INVALID_PARAMETER_VALUE: Self = Self(*b"22023");
    /// `25P03`: a transaction was idle for too long.
    pub const IDLE_IN_TRANSACTION_SESSION_TIMEOUT: Self = Self(*b"25P03");
    /// `25P04`: a transaction took too long.
    pub const TRANSACTION_TIMEOUT: Self = Self(*b"25P04");
    /// `55000`: what is asked for is not there yet.
    pub const OBJECT_NOT_IN_PREREQUISITE_STATE: Self = Self(*b"55000");
    /// `XX000`: an error inside the pooler or the server.
    pub const INTERNAL_ERROR: Self = Self(*b"XX000");

    /// Reads a code: exactly five characters out of `0-9A-Z`.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let code = <[u8; 5]>::try_from(bytes).ok()?;
        code.iter()
            .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
            .then_some(Self(code))
    }

    /// The code as text; `XX000` for five bytes that are not UTF-8 and so never were a code.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or("XX000")
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlState({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::SqlState;

    #[test]
    fn only_five_digits_or_capitals_are_a_code() {
        assert_eq!(
            SqlState::parse(b"53300"),
            Some(SqlState::TOO_MANY_CONNECTIONS)
        );
        for bad in [
            &b""[..],
            b"5330",
            b"533000",
            b"53p00",
            b"53 00",
            b"\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(SqlState::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn text_never_panics() {
        assert_eq!(SqlState(*b"57P03").to_string(), "57P03");
        assert_eq!(SqlState([0xff; 5]).to_string(), "XX000");
        assert_eq!(format!("{:?}", SqlState(*b"57P03")), "SqlState(57P03)");
    }
}
