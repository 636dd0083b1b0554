//! Lists of versions of TLS, as PgBouncer reads them.

use super::tls::TlsVersion;

/// What a list leaves.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Versions {
    /// The oldest and the newest that is spoken.
    pub(super) spoken: Option<(TlsVersion, TlsVersion)>,
    /// Those that it names and nobody speaks. Words like `all` name none.
    pub(super) unspoken: Vec<&'static str>,
}

/// All versions there are, from the oldest on; the last two are spoken.
const NAMES: [&str; 4] = ["tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3"];

impl Versions {
    /// All that are spoken.
    pub(super) const ALL: (TlsVersion, TlsVersion) = (TlsVersion::V12, TlsVersion::V13);

    /// Reads names that are separated by commas, colons or spaces; `!` in front takes one away from what
    /// stands before it, or from all. An empty list is all. `None` if it has another word.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut words = text
            .split([',', ':', ' ', '\t'])
            .filter(|word| !word.is_empty());
        let mut listed = [false; NAMES.len()];
        let mut is_first = true;
        for word in words.by_ref() {
            let (is_taken_away, name) = match word.strip_prefix('!') {
                Some(name) => (true, name),
                None => (false, word),
            };
            let name = name.to_ascii_lowercase();
            let named = match &*name {
                "secure" | "all" | "default" | "legacy" => [false, false, true, true],
                "tlsv1" => [true; NAMES.len()],
                name if NAMES.contains(&name) => NAMES.map(|known| known == name),
                _ => return None,
            };
            if is_first && is_taken_away {
                listed = [false, false, true, true];
            }
            for (listed, _) in listed.iter_mut().zip(named).filter(|(_, named)| *named) {
                *listed = !is_taken_away;
            }
            is_first = false;
        }
        let [old, older, v12, v13] = listed;
        let spoken = match (v12, v13) {
            _ if is_first => Some(Self::ALL),
            (true, true) => Some(Self::ALL),
            (true, false) => Some((TlsVersion::V12, TlsVersion::V12)),
            (false, true) => Some((TlsVersion::V13, TlsVersion::V13)),
            (false, false) => None,
        };
        let named = NAMES.into_iter().zip([old, older]);
        let unspoken = named.filter(|(_, is)| *is).map(|(name, _)| name).collect();
        Some(Self { spoken, unspoken })
    }
}

#[cfg(test)]
mod tests {
    use super::{TlsVersion, Versions};

    #[test]
    fn lists_are_read_as_pgbouncer_reads_them() {
        const V12: TlsVersion = TlsVersion::V12;
        const V13: TlsVersion = TlsVersion::V13;
        const BOTH: Option<(TlsVersion, TlsVersion)> = Some((V12, V13));
        for (text, spoken, unspoken) in [
            ("", BOTH, &[][..]),
            ("secure", BOTH, &[]),
            ("all", BOTH, &[]),
            ("legacy, tlsv1.2", BOTH, &[]),
            ("TLSv1.2", Some((V12, V12)), &[]),
            ("tlsv1.1, tlsv1.2", Some((V12, V12)), &["tlsv1.1"]),
            ("tlsv1", BOTH, &["tlsv1.0", "tlsv1.1"]),
            ("tlsv1:!tlsv1.0:!tlsv1.1", BOTH, &[]),
            ("!tlsv1.3", Some((V12, V12)), &[]),
            ("!tlsv1.0", BOTH, &[]),
            ("secure,!tlsv1.2", Some((V13, V13)), &[]),
            ("tlsv1.0", None, &["tlsv1.0"]),
            ("tlsv1.2,!tlsv1.2", None, &[]),
        ] {
            let unspoken = unspoken.to_vec();
            let expected = Versions { spoken, unspoken };
            assert_eq!(Versions::read(text), Some(expected), "{text}");
        }
        for text in ["sslv3", "tlsv1.2,best", "!"] {
            assert_eq!(Versions::read(text), None, "{text}");
        }
    }
}
