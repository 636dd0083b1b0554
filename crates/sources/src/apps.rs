//! Settings of applications: what a file, or a set of variables, says of the pools of one program.

pub mod address;
mod code;
mod command;
mod databases;
mod django;
pub(crate) mod dockerfile;
pub(crate) mod dotenv;
mod ecto;
mod environment;
mod fpm;
mod golang;
mod gunicorn;
mod hosts;
mod json;
mod laravel;
mod libraries;
mod multipliers;
mod notes;
mod pm2;
mod pool_call;
mod pools;
mod prisma;
mod processes;
mod puma;
mod python;
mod rails;
mod read;
mod rust;
mod script;
mod servers;
mod settings;
mod shell;
mod spring;
mod sqlx;
mod tree;
mod uwsgi;

#[cfg(test)]
mod tests;

pub use environment::{environment, program};
pub(crate) use hosts::is_about_postgres;
pub(crate) use read::read;
