//! The user of the system that the process becomes.

use std::fs;
use std::io;
use std::path::Path;

use rustix::process::{Gid, Uid, geteuid, getgroups};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// A user of the system, with its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    name: String,
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

impl Account {
    /// The user with this name or number, as `/etc/passwd` and `/etc/group` have it.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn find(name: &str) -> io::Result<Self> {
        let passwd = fs::read_to_string("/etc/passwd")?;
        let group = fs::read_to_string("/etc/group").unwrap_or_default();
        listed(&passwd, &group, name).ok_or_else(|| {
            let message = format!("there is no user {name:?} in /etc/passwd (user, run_as, -u)");
            io::Error::new(io::ErrorKind::NotFound, message)
        })
    }

    /// Gives it a file of ours, so that it may remove it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn own(&self, path: &Path) -> io::Result<()> {
        if geteuid().as_raw() == self.uid {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), None)
    }

    /// Becomes the user, for good. Nothing is done if it is the user already.
    ///
    /// # Errors
    /// The process has another thread, which would stay what it is, or not the right to do that.
    pub(crate) fn become_it(&self) -> io::Result<()> {
        if geteuid().as_raw() == self.uid {
            return Ok(());
        }
        let about = |error: io::Error| {
            let message = format!("cannot become user {}: {error}; start as root", self.name);
            io::Error::new(error.kind(), message)
        };
        // The system changes one thread at a time.
        let threads = fs::read_dir("/proc/self/task")?.count();
        assert_eq!(
            threads, 1,
            "privileges are given up before there are threads"
        );
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let groups: Vec<Gid> = self.groups.iter().map(|it| Gid::from_raw(*it)).collect();
        let become_it = || {
            set_thread_groups(&groups)?;
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)
        };
        become_it().map_err(|error| about(error.into()))?;
        let left = getgroups()?.iter().any(|group| !groups.contains(group));
        let is_back = set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok();
        assert!(!left && (!is_back || self.uid == 0), "privileges are gone");
        Ok(())
    }
}

fn listed(passwd: &str, group: &str, name: &str) -> Option<Account> {
    let fields = |line: &str| -> Vec<String> { line.split(':').map(str::to_owned).collect() };
    let entries: Vec<Vec<String>> = passwd
        .lines()
        .map(fields)
        .filter(|it| it.len() >= 4)
        .collect();
    let by_name = entries.iter().find(|entry| entry[0] == name);
    let entry = by_name.or_else(|| entries.iter().find(|entry| entry[2] == name))?;
    let (name, uid, gid) = (&entry[0], entry[2].parse().ok()?, entry[3].parse().ok()?);
    let mut groups = vec![gid];
    for entry in group.lines().map(fields).filter(|it| it.len() >= 4) {
        let is_member = entry[3].split(',').any(|member| member == name);
        if let (true, Ok(number)) = (is_member, entry[2].parse())
            && !groups.contains(&number)
        {
            groups.push(number);
        }
    }
    Some(Account {
        name: name.clone(),
        uid,
        gid,
        groups,
    })
}

#[cfg(test)]
mod tests {
    use super::{Account, listed};

    #[test]
    fn a_user_has_its_groups() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:34::/:\n33:x:1:2::/:\n";
        let group = "root:x:0:\nweb:x:34:\nssl:x:5:ann,web\nold:x:y:web\nother:x:9:webber\n";
        let account = |name: &str, uid, gid, groups: &[u32]| Account {
            name: name.to_owned(),
            uid,
            gid,
            groups: groups.to_vec(),
        };
        assert_eq!(
            listed(passwd, group, "web"),
            Some(account("web", 33, 34, &[34, 5]))
        );
        assert_eq!(
            listed(passwd, group, "0"),
            Some(account("root", 0, 0, &[0]))
        );
        // A name comes before a number.
        assert_eq!(listed(passwd, group, "33"), Some(account("33", 1, 2, &[2])));
        assert_eq!(listed(passwd, group, "nobody"), None);
    }

    #[test]
    fn who_it_is_already_nobody_has_to_become() {
        let own = rustix::process::geteuid().as_raw();
        let account = Account {
            name: "me".to_owned(),
            uid: own,
            gid: 0,
            groups: Vec::new(),
        };
        account.become_it().unwrap();
    }
}
