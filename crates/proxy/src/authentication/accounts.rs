//! Names of the operating system's users.

use std::path::Path;

/// Where the system's own users are listed (passwd(5)).
const ACCOUNTS: &str = "/etc/passwd";

/// The name of a user of the operating system; of one that is not listed, `uid:` and its number. No user's
/// name has a colon.
pub(super) fn name_of(uid: u32) -> String {
    let listed = std::fs::read_to_string(Path::new(ACCOUNTS)).unwrap_or_default();
    listed_name(&listed, uid).unwrap_or_else(|| format!("uid:{uid}"))
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
    use super::listed_name;

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
