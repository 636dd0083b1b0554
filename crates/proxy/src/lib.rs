//! pgweir proxy.

pub mod config;
