//! A `pgbouncer.ini` as operators write it.

use std::fs;
use std::path::Path;

use crate::client::Target;
use crate::postgres::Role;

/// The text of a `pgbouncer.ini` for a role, with a `userlist.txt` beside it, and `more` in its last section.
///
/// # Panics
/// If that file cannot be written.
pub fn ini(role: &Role, folder: &Path, port: u16, more: &str) -> String {
    let Target {
        user,
        password,
        port: server,
        ..
    } = role.direct();
    let users = format!("\"{user}\" \"{}\"\n", password.replace('"', "\"\""));
    fs::write(folder.join("userlist.txt"), users).expect("the folder is ours");
    let folder = folder.display();
    format!(
        "[databases]\napp = host=127.0.0.1 port={server} dbname=postgres\n[pgbouncer]\n\
         listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir = {folder}\n\
         auth_file = {folder}/userlist.txt\nhttp_listen = off\n{more}\n"
    )
}
