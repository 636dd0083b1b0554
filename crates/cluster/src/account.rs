//! The account that PostgreSQL runs as, because `initdb` and `postgres` refuse root.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// An unprivileged account to run PostgreSQL as when this process is root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The user that runs the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunAs {
    /// This process is not root: its own user.
    Caller,
    /// This process is root: another account.
    Other(Account),
}

impl RunAs {
    /// Chooses it for this process. Root without `postgres` and `nobody` in `/etc/passwd` uses
    /// the number that every system gives to `nobody`.
    pub(crate) fn detect() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::Caller;
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self::Other(
            ["postgres", "nobody"]
                .into_iter()
                .find_map(|name| find(&passwd, name))
                .unwrap_or(Account {
                    uid: 65534,
                    gid: 65534,
                }),
        )
    }

    /// Makes `command` run as that user.
    pub(crate) fn apply(self, command: &mut Command) {
        if let Self::Other(account) = self {
            command.uid(account.uid).gid(account.gid);
        }
    }

    /// Gives `path` to that user.
    pub(crate) fn own(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Caller => Ok(()),
            Self::Other(account) => {
                std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid))
            }
        }
    }
}

/// Finds an account in the text of `/etc/passwd`; never root, whatever its name.
fn find(passwd: &str, name: &str) -> Option<Account> {
    let line = passwd
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    let uid = fields.next()?.parse().ok().filter(|&uid| uid != 0)?;
    let gid = fields.next()?.parse().ok()?;
    Some(Account { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        postgresql:x:7:7::/:/bin/sh\n\
        postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n\
        broken:x\n";

    #[test]
    fn accounts_are_found_by_their_whole_name() {
        let account = find(PASSWD, "postgres");
        assert_eq!(account, Some(Account { uid: 101, gid: 104 }));
        assert_eq!(find(PASSWD, "nobody"), None);
        assert_eq!(find(PASSWD, "broken"), None);
    }

    #[test]
    fn root_is_never_taken() {
        assert_eq!(find(PASSWD, "root"), None);
    }
}
