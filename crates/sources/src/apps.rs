//! Settings of applications: what a file, or a set of variables, says of the pools of one program.

pub mod address;
pub(crate) mod dotenv;
mod environment;
mod hosts;

#[cfg(test)]
mod tests;

pub use environment::environment;
pub(crate) use hosts::is_about_postgres;
