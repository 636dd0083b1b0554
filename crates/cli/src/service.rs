//! What the pooler's process is to the system: its number in a file, its user, its place in the background, and
//! the service manager that started it.

mod account;
mod background;
mod pidfile;
mod systemd;

pub(crate) use account::Account;
pub(crate) use background::{Background, send_to_background};
pub(crate) use pidfile::Pidfile;
pub(crate) use systemd::{ServiceManager, handed};
