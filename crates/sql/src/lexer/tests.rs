#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "one test measures that the time grows no faster than the text"
)]

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Lexer, Token, TokenKind};
use crate::tests::{CORPUS, text};

/// One letter per kind, as in the tables below.
fn letter(token: Token) -> char {
    let letter = match token.kind {
        TokenKind::Whitespace => ' ',
        TokenKind::LineComment => '-',
        TokenKind::BlockComment => '*',
        TokenKind::Word => 'w',
        TokenKind::QuotedIdentifier => 'q',
        TokenKind::String => 's',
        TokenKind::DollarString => 'd',
        TokenKind::Number => 'n',
        TokenKind::Parameter => 'p',
        TokenKind::Operator => 'o',
        TokenKind::Cast => 'c',
        TokenKind::ColonEquals => '=',
        TokenKind::Colon => ':',
        TokenKind::DotDot => '2',
        TokenKind::Dot => '.',
        TokenKind::Comma => ',',
        TokenKind::Semicolon => ';',
        TokenKind::Open => '(',
        TokenKind::Close => ')',
        TokenKind::OpenBracket => '[',
        TokenKind::CloseBracket => ']',
        TokenKind::Other => '?',
    };
    if token.terminated {
        letter
    } else {
        letter.to_ascii_uppercase()
    }
}

fn significant(sql: &str, standard_conforming_strings: bool) -> String {
    Lexer::new(sql.as_bytes(), standard_conforming_strings)
        .filter(|token| token.kind.significant())
        .map(|token| format!("{}{}", letter(token), &sql[token.start..token.end]))
        .collect::<Vec<_>>()
        .join(" ")
}

fn check(sql: &str, expected: &str) {
    assert_eq!(significant(sql, true), expected, "{sql}");
}

fn kinds(sql: &str) -> String {
    Lexer::new(sql.as_bytes(), true).map(letter).collect()
}

#[test]
fn whitespace_and_comments_are_tokens() {
    for (sql, expected) in [
        ("", ""),
        (" \t\r\n\u{b}\u{c}", " "),
        ("a--b\nc", "w- w"),
        ("a--b\rc", "w- w"),
        ("--", "-"),
        ("a/*b*/c", "w*w"),
        ("/*/*a*/b*/c", "*w"),
        ("/***/c", "*w"),
        ("/*/**/*/c", "*w"),
        ("//**/c", "o*w"),
        ("/*'*/'/*'", "*s"),
    ] {
        assert_eq!(kinds(sql), expected, "{sql}");
    }
    for open in ["/*", "/* a", "/*/", "/*/**/", "/* *", "/*/*a*/"] {
        let tokens: Vec<_> = Lexer::new(open.as_bytes(), true).collect();
        assert_eq!(tokens.len(), 1, "{open}");
        assert_eq!(tokens[0].kind, TokenKind::BlockComment, "{open}");
        assert!(!tokens[0].terminated, "{open}");
    }
}

#[test]
fn words_and_identifiers() {
    check("a_1$b é SELECT", "wa_1$b wé wSELECT");
    check(r#""a""b"c"#, r#"q"a""b" wc"#);
    check(r#"U&"a" u&"b" u & "c""#, r#"qU&"a" qu&"b" wu o& q"c""#);
    check(r#"u&a ue'b'"#, "wu o& wa wue s'b'");
    check(r#""a"#, r#"Q"a"#);
    check(r#""a"""#, r#"Q"a"""#);
    check("a.b.*", "wa .. wb .. o*");
}

#[test]
fn strings_end_where_postgresql_ends_them() {
    check("'a''b' 'c'", "s'a''b' s'c'");
    check(r"'a\' b", r"s'a\' wb");
    check(r"e'a\'b' c", r"se'a\'b' wc");
    check(r"E'\\' c", r"sE'\\' wc");
    check("b'01''x' X'ff'", "sb'01' s'x' sX'ff'");
    check("N'a''b' n'c'", "sN'a''b' sn'c'");
    check(r"u&'a\'b", r"su&'a\' wb");
    for open in ["'a", "'", "e'a\\'", "e'a\\", "'a''", "U&'", "b'1", "'a'\n'"] {
        let tokens: Vec<_> = Lexer::new(open.as_bytes(), true).collect();
        assert_eq!(tokens.len(), 1, "{open}");
        assert_eq!(tokens[0].kind, TokenKind::String, "{open}");
        assert!(!tokens[0].terminated, "{open}");
    }
}

#[test]
fn strings_continue_on_the_next_line_only() {
    check("'a'\n'b'", "s'a'\n'b'");
    check("'a' -- c\n -- d\n 'b' e", "s'a' -- c\n -- d\n 'b' we");
    check("'a' 'b'", "s'a' s'b'");
    check("'a' /*\n*/ 'b'", "s'a' s'b'");
    check("e'a'\n'\\'' c", "se'a'\n'\\'' wc");
    check("'a'\n'\\' c", "s'a'\n'\\' wc");
    check("'a'\ne'b'", "s'a' se'b'");
    check("\"a\"\n\"b\"", "q\"a\" q\"b\"");
}

#[test]
fn a_backslash_escapes_if_the_session_says_so() {
    assert_eq!(significant(r"'a\'b' c", false), r"s'a\'b' wc");
    assert_eq!(significant(r"n'a\'b' c", false), r"sn'a\'b' wc");
    assert_eq!(significant(r"x'a\' c", false), r"sx'a\' wc");
}

#[test]
fn dollar_quotes() {
    check("$$a'b$$ c", "d$$a'b$$ wc");
    check("$a$b$$c$b$d$a$e", "d$a$b$$c$b$d$a$ we");
    check("$a$a$a$a$", "d$a$a$a$ wa$");
    check("$é1$x$é1$", "d$é1$x$é1$");
    check("a$$b$$", "wa$$b$$");
    check("$1a$", "p$1a$");
    check("$a b", "?$ wa wb");
    check("$ $", "?$ ?$");
    check("$$a", "D$$a");
    check("$a$b$a", "D$a$b$a");
}

#[test]
fn numbers() {
    check(
        "1 1.5 .5 5. 1e5 1.e-5 .5E+5",
        "n1 n1.5 n.5 n5. n1e5 n1.e-5 n.5E+5",
    );
    check(
        "0x1F 0o17 0b01 0x_f 1_000.5_0",
        "n0x1F n0o17 n0b01 n0x_f n1_000.5_0",
    );
    check("1..2", "n1 2.. n2");
    check("1...2", "n1 2.. n.2");
    check("1.5.6", "n1.5 n.6");
    check("a.5", "wa n.5");
    check("-1", "o- n1");
    check("1-1", "n1 o- n1");
    check("$1 $23", "p$1 p$23");
}

#[test]
fn a_number_includes_a_word_it_runs_into_but_not_a_string() {
    check("1and 0xg 0b2 1e 1_ 1__0", "n1and n0xg n0b2 n1e n1_ n1__0");
    check("1e+ 1a$b", "n1e o+ n1a$b");
    check(r"1e'\'' 0x'f' 1u&'a'", r"n1 se'\'' n0 sx'f' n1 su&'a'");
    check("$1and", "p$1and");
    check(r"$1e'\''", r"p$1 se'\''");
}

#[test]
fn operators() {
    check("a<=b<>c!=d>=e=>f", "wa o<= wb o<> wc o!= wd o>= we o=> wf");
    check("a=-1", "wa o= o- n1");
    check("a<+-+1", "wa o< o+ o- o+ n1");
    check("a@-1", "wa o@- n1");
    check("a|/-1", "wa o|/- n1");
    check("+++a", "o+ o+ o+ wa");
    check(
        "a->>'b' #>> c ?| d @> e",
        "wa o->> s'b' o#>> wc o?| wd o@> we",
    );
    check("a*/**/b", "wa o* wb");
    check("a+--b\nc", "wa o+ wc");
    check("a@--b\nc", "wa o@ wc");
    check("a<-/**/b", "wa o< o- wb");
    check(
        "a::int[]:=b[1:2]",
        "wa c:: wint [[ ]] =:= wb [[ n1 :: n2 ]]",
    );
    check("a:::b", "wa c:: :: wb");
    check("(a,b);", "(( wa ,, wb )) ;;");
    check("\\{}\u{1}", "?\\ ?{ ?} ?\u{1}");
}

fn assert_tiles(sql: &[u8], standard_conforming_strings: bool) {
    let mut end = 0;
    for token in Lexer::new(sql, standard_conforming_strings) {
        assert_eq!(token.start, end);
        assert!(token.end > token.start);
        assert!(token.terminated || token.end == sql.len());
        end = token.end;
    }
    assert_eq!(end, sql.len());
}

#[test]
fn the_tokens_of_every_prefix_tile_it() {
    for sql in CORPUS {
        for end in 0..=sql.len() {
            assert_tiles(&sql.as_bytes()[..end], true);
            assert_tiles(&sql.as_bytes()[..end], false);
        }
    }
}

#[test]
fn time_is_linear_in_the_text() {
    // Texts that tempt a lexer to look far ahead repeatedly. Quadratic behaviour takes minutes.
    let repeated = [
        "+", "<+", "'a'\n", "$a", "$a$", "/*", "*/", "--", "1.", "e'\\", "(", "\"", "'' ", "$",
        "u&",
    ];
    let begin = Instant::now();
    for part in repeated {
        for prefix in ["", "$x$", "'a'", "/*", "<"] {
            let sql = [prefix, &part.repeat(50_000)].concat();
            assert_tiles(sql.as_bytes(), true);
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(60));
}

proptest! {
    #[test]
    fn tokens_tile_any_text(sql in text(), standard_conforming_strings: bool) {
        assert_tiles(sql.as_bytes(), standard_conforming_strings);
    }

    #[test]
    fn tokens_tile_any_bytes(sql: Vec<u8>, standard_conforming_strings: bool) {
        assert_tiles(&sql, standard_conforming_strings);
    }
}
