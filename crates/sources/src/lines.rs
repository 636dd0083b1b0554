//! Files of lines.

/// Lines of the form `name = value`: number, name, value without quotes.
pub(crate) fn assignments<'a>(
    text: &'a str,
    comments: &'a [char],
) -> impl Iterator<Item = (usize, &'a str, &'a str)> {
    text.lines().enumerate().filter_map(move |(at, line)| {
        let line = line.trim();
        if line.starts_with(comments) {
            return None;
        }
        let (name, value) = line.split_once('=')?;
        let value = value.trim();
        let inner = |quote: char| {
            value
                .strip_prefix(quote)?
                .split_once(quote)
                .map(|(value, _)| value)
        };
        let value = inner('"').or_else(|| inner('\'')).unwrap_or_else(|| {
            let comment = |(at, c): &(usize, char)| {
                (*c == '#' || *c == ';') && value[..*at].ends_with(char::is_whitespace)
            };
            let end = value.char_indices().find(comment);
            value[..end.map_or(value.len(), |(at, _)| at)].trim()
        });
        Some((at + 1, name.trim().trim_start_matches("export "), value))
    })
}
