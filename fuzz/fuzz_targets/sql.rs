//! SQL text of any bytes: tokens tile it, normal text is a fixed point without quotes of strings,
//! and has the fingerprint of what it was made from.
//!
//! The first byte is the setting of `standard_conforming_strings` and the bound of the text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgweir_sql::fingerprint::Fingerprint;
use pgweir_sql::kind::Kind;
use pgweir_sql::lexer::{Lexer, TokenKind};
use pgweir_sql::normalise::normalise;
use pgweir_sql::sqlcommenter::{KEY_LEN_MAX, TAGS_MAX, VALUE_LEN_MAX, tags};
use pgweir_sql::statements::Statements;

fuzz_target!(|data: &[u8]| {
    let Some((&setting, sql)) = data.split_first() else {
        return;
    };
    let standard = setting & 1 == 0;

    let mut end = 0;
    for token in Lexer::new(sql, standard) {
        assert_eq!(token.start, end);
        assert!(token.end > token.start);
        assert!(token.terminated || token.end == sql.len());
        end = token.end;
    }
    assert_eq!(end, sql.len());

    let _ = Kind::of(sql, standard).label();
    for statement in Statements::new(sql, standard) {
        let mut again = Statements::new(statement, standard);
        assert_eq!(again.next(), Some(statement));
        assert_eq!(again.next(), None);
    }

    let text = normalise(sql, standard, usize::MAX);
    for token in Lexer::new(text.as_bytes(), standard) {
        assert!(token.terminated);
        assert!(!matches!(
            token.kind,
            TokenKind::String | TokenKind::DollarString | TokenKind::Number
        ));
    }
    assert_eq!(normalise(text.as_bytes(), standard, usize::MAX), text);
    assert_eq!(
        Fingerprint::of(text.as_bytes(), standard),
        Fingerprint::of(sql, standard)
    );
    let bound = usize::from(setting);
    let cut = normalise(sql, standard, bound);
    assert!(cut.len() <= bound);
    assert_eq!(normalise(cut.as_bytes(), standard, bound), cut);

    let tags = tags(sql, standard);
    assert!(tags.len() <= TAGS_MAX);
    for tag in tags {
        assert!(tag.key.len() <= KEY_LEN_MAX);
        assert!(tag.value.len() <= VALUE_LEN_MAX);
    }
});
