//! Finds the known word that a misspelt one was probably meant to be.

/// The word of `known` nearest to `word`, if one is near enough to be worth naming.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words are no typing errors, and the distance costs the product of the lengths.
    if word.len() > WORD_LEN_MAX {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    known
        .map(|name| (distance(&word, &name.replace('-', "_")), name))
        .min()
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .map(|(_, name)| name)
}

/// Letters to insert, remove or replace to turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replace = above[j] + usize::from(letter != b[j]);
            row.push(replace.min(above[j + 1] + 1).min(row[j] + 1));
        }
        above = row;
    }
    above[b.len()]
}

const WORD_LEN_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_near_word_is_found_and_a_far_one_is_not() {
        let known = ["pool", "pool_min", "replicas", "php-fpm"];
        let near = |word: &str| nearest(word, known.into_iter());
        assert_eq!(near("Pol"), Some("pool"));
        assert_eq!(near("replica"), Some("replicas"));
        assert_eq!(near("php_fpm"), Some("php-fpm"));
        assert_eq!(near("carrot"), None);
        assert_eq!(near(&"x".repeat(100_000)), None);
    }
}
