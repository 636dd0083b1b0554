//! Reads what an operator knows of a fleet.
//!
//! Every source (`fleet.toml`, a preset, `--what-if`, a live database, other programs' files)
//! becomes a [`Draft`]: values as written, each with its origin. Drafts are laid over each other,
//! and [`resolve()`] makes [`Facts`](crate::facts::Facts) of them once: it checks every value
//! against one table ([`keys`]), fills in the defaults of that table and names them, and reports
//! all mistakes together.

pub mod draft;
mod host;
pub mod keys;
pub mod presets;
mod read;
mod resolve;
mod typed;
pub mod value;
mod write;

#[cfg(test)]
mod tests;

pub use draft::Draft;
pub use pgweir_settings::{Given, Problem, Section, Value, without_secrets};
pub use read::read;
pub use resolve::resolve;
pub use value::Kind;
pub use write::write;
