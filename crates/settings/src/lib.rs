//! Settings as people write them, in files, URLs and environment variables: values, where each of them
//! stands, what is wrong with them, and which name was probably meant.
//!
//! It reads text that its caller has read: no files, no sockets, no clock. Which settings there are, and what
//! each may be, is for the tables of its users: `pgweir-config` (`pgweir.toml`), `pgweir-advisor`
//! (`fleet.toml`) and `pgweir-sqlx` (variables of a service). A table has one row for each setting.
//!
//! No message quotes a line of a text as it stands: there may be a password in it.

mod nearest;
mod origin;
mod problem;
mod secrets;
pub mod text;
pub mod time;
pub mod url;

#[cfg(feature = "toml")]
mod section;
#[cfg(feature = "toml")]
pub mod toml;
#[cfg(feature = "toml")]
mod value;

pub use nearest::{nearest, nearest_within, sounds_like};
pub use origin::{Columns, Origin, Span};
pub use problem::{Problem, finish};
pub use secrets::{SECRET_WORDS, without_secrets};

#[cfg(feature = "toml")]
pub use section::{Given, Section};
#[cfg(feature = "toml")]
pub use value::Value;
