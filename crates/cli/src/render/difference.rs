//! Differences between two texts, line by line.

/// The lines that differ, each after `-` (there) or `+` (planned), without the equal lines at both ends.
pub(super) fn difference(there: &str, planned: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (there.lines().collect(), planned.lines().collect());
    // Equal beginnings and ends cost nothing, and little is usually left between them.
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[start..], &new[start..]);
    let end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    let mut text = format!("@@ line {} @@\n", start + 1);
    let mut push = |sign: char, line: &str| {
        text.push(sign);
        text.push_str(line);
        text.push('\n');
    };
    if old.len().saturating_mul(new.len()) > CELLS_MAX {
        old.iter().for_each(|line| push('-', line));
        new.iter().for_each(|line| push('+', line));
        return text;
    }
    let common = common_lengths(old, new);
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            push(' ', old[i]);
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            push('-', old[i]);
            i += 1;
        } else {
            push('+', new[j]);
            j += 1;
        }
    }
    text
}

/// At `[i][j]`, how many lines the rests from there have in common, in order.
fn common_lengths(old: &[&str], new: &[&str]) -> Vec<Vec<u32>> {
    let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    common
}

/// 16 MiB of numbers; larger differences are shown as a whole.
const CELLS_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn only_what_differs_is_shown() {
        let shown = difference("a\nb\nc\nd\n", "a\nx\nc\ny\nd\n");
        assert_eq!(shown, "@@ line 2 @@\n-b\n+x\n c\n+y\n");
        assert_eq!(difference("", "a\n"), "@@ line 1 @@\n+a\n");
        assert_eq!(difference("a\n", ""), "@@ line 1 @@\n-a\n");
    }

    #[test]
    fn a_huge_difference_is_shown_whole() {
        let lines = |word: &str| -> String { (0..3_000).map(|i| format!("{word}{i}\n")).collect() };
        let shown = difference(&lines("a"), &lines("b"));
        assert_eq!(shown.lines().count(), 6_001);
    }
}
