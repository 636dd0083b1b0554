use super::fields;

/// The fields of a line, each token in brackets, quoted ones in quotes.
fn shown(line: &str) -> String {
    let fields = match fields(line) {
        Ok(fields) => fields,
        Err(message) => return message.to_owned(),
    };
    let fields: Vec<String> = fields
        .iter()
        .map(|field| {
            let tokens: Vec<String> = field
                .iter()
                .map(|token| match token.is_quoted {
                    true => format!("{:?}", token.text),
                    false => token.text.clone(),
                })
                .collect();
            tokens.join("+")
        })
        .collect();
    fields.join(" | ")
}

#[test]
fn white_space_parts_fields_and_commas_part_tokens() {
    for (line, expected) in [
        ("", ""),
        ("  \t ", ""),
        ("# only this", ""),
        ("a b\tc", "a | b | c"),
        ("a,b c", "a+b | c"),
        ("a, b c", "a+b | c"),
        (",a,,b , c", "a+b | c"),
        ("a,", "a"),
        ("a#b", "a"),
        ("a \"#b\" # c", "a | \"#b\""),
        ("\"a b\",c", "\"a b\"+c"),
        ("\"a \"\"b\"\"\"", "\"a \\\"b\\\"\""),
        ("\"\" a", "\"\" | a"),
        ("a\"b c\"d", "ab cd"),
        ("map=\"x y\"", "map=x y"),
        ("a \"b", "has a quote that is not closed on its line"),
    ] {
        assert_eq!(shown(line), expected, "{line}");
    }
}
