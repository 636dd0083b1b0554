//! No text whatsoever stops the program, and none lets a secret out.

use pgweir_settings::url;
use proptest::prelude::*;

use super::{lines, read, read_env};
use crate::settings::SETTINGS;

/// Words that occur in configurations, and others.
fn word() -> impl Strategy<Value = String> {
    let names = SETTINGS
        .iter()
        .map(|setting| setting.name.to_owned())
        .collect::<Vec<_>>();
    prop_oneof![
        4 => prop::sample::select(names),
        1 => "[a-z_]{0,12}",
        1 => any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}")),
        "\"-?[0-9]{0,30}(\\.[0-9]{0,30})?(ms|s|min|h|d)?\"",
        any::<String>().prop_map(|text| format!("{text:?}")),
        Just("true".to_owned()),
        Just("\"*, ::1\"".to_owned()),
        any::<String>(),
    ]
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (word(), value()).prop_map(|(name, value)| format!("{name} = {value}")),
        1 => Just("[pgweir]".to_owned()),
        1 => "\\[(databases|users)\\.([a-z*]{1,3}|\"[^\"]{0,3}\")\\]",
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_file_panics(lines in prop::collection::vec(line(), 0..12)) {
        let _ = read(&lines.join("\n"));
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = read(&text);
        let _ = read_env(&[("DATABASE_URL", &text)]);
    }

    #[test]
    fn no_url_panics(url in "postgres://[a-z:@/?%0-9=&\\[\\].é]{0,40}") {
        let _ = read_env(&[("DATABASE_URL", &url)]);
    }

    #[test]
    fn no_setting_panics_on_any_value(name in word(), value in value(), scope in 0..3) {
        let section = ["pgweir", "databases.a", "users.a"][scope as usize];
        let _ = read(&format!("[{section}]\n{name} = {value}\n"));
    }

    #[test]
    fn no_problem_of_a_url_shows_an_unescaped_password(
        before in "[a-z0-9:/?#%@=&\\[\\]]{0,4}",
        after in "[a-z0-9:/?#%@=&\\[\\]]{0,4}",
        rest in "@h(/d)?(\\?pool_timeout=x)?",
    ) {
        let url = format!("postgres://u:{before}HUSH{after}{rest}");
        if let Err(problems) = read_env(&[("DATABASE_URL", &url)]) {
            let all = lines(&problems).join("\n");
            prop_assert!(!all.contains("HUSH"), "{url}: {all}");
        }
    }

    #[test]
    fn an_encoded_url_reads_back(
        user in "\\PC{1,8}", password in "\\PC{1,8}", dbname in "\\PC{1,8}", port in 1u16..,
    ) {
        let encode = |text: &str| {
            text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>()
        };
        let text = format!(
            "postgres://{}:{}@h:{port}/{}?a={}",
            encode(&user), encode(&password), encode(&dbname), encode(&password),
        );
        let url = url::parse(&text).unwrap();
        prop_assert_eq!(url.user, Some(user));
        prop_assert_eq!(url.password.as_ref(), Some(&password));
        prop_assert_eq!(url.dbname, Some(dbname));
        prop_assert_eq!(url.port, Some(port.to_string()));
        prop_assert_eq!(url.parameters, [("a".to_owned(), password)]);
    }
}
