//! Finds the known name that a misspelt one was probably meant to be.

/// The name of `known` nearest to `word`, if one is near enough to be worth naming: a third of its letters
/// may be wrong, and one in any case.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    nearest_by(word, known, |name| (name.len() / 3).max(1))
}

/// The name of `known` nearest to `word`, if it is at most so many edits away.
pub fn nearest_within<'a>(
    word: &str,
    edits: usize,
    known: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    nearest_by(word, known, |_| edits)
}

/// Whether `word` is one of `known`, or nearly so.
pub fn sounds_like<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> bool {
    known.clone().any(|name| name == word) || nearest(word, known).is_some()
}

fn nearest_by<'a>(
    word: &str,
    known: impl Iterator<Item = &'a str>,
    bound: impl Fn(&str) -> usize,
) -> Option<&'a str> {
    // Longer words are no typing errors, and the distance costs the product of the lengths.
    if word.len() > WORD_LEN_MAX {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let word = plain(word);
    known
        .map(|name| (distance(&word, &plain(name)), name))
        .min()
        .filter(|(distance, name)| *distance <= bound(name))
        .map(|(_, name)| name)
}

/// Edits (insert, remove, replace, swap of neighbours) that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replace = above[j] + usize::from(a[i] != b[j]);
            let mut best = replace.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = above;
        above = row;
    }
    above[b.len()]
}

const WORD_LEN_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::{distance, nearest, nearest_within};

    #[test]
    fn a_distance_counts_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("pool_sise", "pool_size", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn a_near_word_is_found_and_a_far_one_is_not() {
        let known = ["pool", "pool_min", "pool_size", "php-fpm"];
        let near = |word: &str| nearest(word, known.into_iter());
        assert_eq!(near("Pool_Sizes"), Some("pool_size"));
        assert_eq!(near("Pol"), Some("pool"));
        assert_eq!(near("php_fpm"), Some("php-fpm"));
        assert_eq!(near("carrot"), None);
        assert_eq!(near(&"x".repeat(100_000)), None);
    }

    #[test]
    fn a_bound_in_edits_does_not_grow_with_the_word() {
        let near = |word| nearest_within(word, 2, ["DB_MAX_LIFETIME"].into_iter());
        assert_eq!(near("DB_MAX_LIFETMIE"), Some("DB_MAX_LIFETIME"));
        assert_eq!(near("DB_MAX_IDLE_TIME"), None);
    }
}
