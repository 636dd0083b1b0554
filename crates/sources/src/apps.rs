//! Settings of applications: what a file, or a set of variables, says of the pools of one program.

pub mod address;
mod command;
pub(crate) mod dotenv;
mod environment;
mod hosts;
mod libraries;
mod multipliers;
mod notes;
mod pools;
mod servers;
mod shell;

#[cfg(test)]
mod tests;

pub use environment::{environment, program};
pub(crate) use hosts::is_about_postgres;
