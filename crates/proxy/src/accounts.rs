//! Names of the operating system's users and groups.

use std::path::Path;

/// Where the system's own users are listed (passwd(5)).
const ACCOUNTS: &str = "/etc/passwd";
/// Where its groups are listed (group(5)).
const GROUPS: &str = "/etc/group";

/// The name of a user of the operating system; of one that is not listed, `uid:` and its number. No user's
/// name has a colon.
pub(crate) fn name_of(uid: u32) -> String {
    let listed = std::fs::read_to_string(Path::new(ACCOUNTS)).unwrap_or_default();
    listed_name(&listed, uid).unwrap_or_else(|| format!("uid:{uid}"))
}

/// The number of a group of the operating system, by its name or by that number.
pub(crate) fn group_number(name: &str) -> Option<u32> {
    let listed = std::fs::read_to_string(Path::new(GROUPS)).unwrap_or_default();
    listed_group(&listed, name).or_else(|| name.parse().ok())
}

fn listed_group(listed: &str, name: &str) -> Option<u32> {
    let mut groups = listed.lines().map(|line| line.split(':'));
    groups.find_map(|mut fields| {
        let (listed, _password, number) = (fields.next()?, fields.next()?, fields.next()?);
        (listed == name).then(|| number.parse().ok()).flatten()
    })
}

fn listed_name(listed: &str, uid: u32) -> Option<String> {
    let mut users = listed.lines().map(|line| line.split(':'));
    users.find_map(|mut fields| {
        let (name, _password, number) = (fields.next()?, fields.next()?, fields.next()?);
        (!name.is_empty() && number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::{listed_group, listed_name};

    #[test]
    fn a_group_has_the_number_of_its_line() {
        let listed = "root:x:0:\nbroken\nweb:x:33:ann,bob\nodd:x:none:\n";
        for (name, number) in [
            ("root", Some(0)),
            ("web", Some(33)),
            ("odd", None),
            ("x", None),
        ] {
            assert_eq!(listed_group(listed, name), number, "{name}");
        }
    }

    #[test]
    fn the_first_line_with_the_number_names_the_user() {
        let listed = "root:x:0:0:root:/root:/bin/sh\n# a comment\n:x:7:7::/:\nbob:x:1000:1000\n\
                      bobby:x:1000:1000::/:\nann:x:1001\nbroken\nmore:x\n";
        for (uid, name) in [
            (0, Some("root")),
            (1000, Some("bob")),
            (1001, Some("ann")),
            (7, None),
            (1, None),
        ] {
            assert_eq!(listed_name(listed, uid).as_deref(), name, "{uid}");
        }
    }
}
