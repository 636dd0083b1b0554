use super::*;

fn run(way: &'static str, pgweir: Option<PoolerUse>) -> Run {
    Run {
        way,
        clients: 1_000,
        clients_served: 96,
        refused: [("53300".to_owned(), 904)].into(),
        transactions: 100,
        transactions_per_second: 12_345.6,
        latency_p50_ms: 1.234,
        latency_p95_ms: 12.34,
        latency_p99_ms: 123.4,
        errors: Refusals::new(),
        mixed_answers: 0,
        server_connections_max: 20,
        pgweir,
    }
}

fn report() -> Report {
    let used = PoolerUse {
        cpu_us_per_transaction: 31.25,
        memory_kib: 5_120,
    };
    Report {
        postgres_version: "15.18".to_owned(),
        postgres_connections_max: 100,
        pool_size: 20,
        seconds: 8,
        runs: vec![run("straight", None), run("through pgweir", Some(used))],
        balanced: true,
    }
}

#[test]
fn columns_align_and_lines_end_without_colours() {
    let text = table(&report().rows(), false);
    let lengths: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
    assert!(lengths.iter().all(|&length| length == lengths[0]), "{text}");
    assert!(!text.contains('\x1b'));
    for cell in [
        "904 (53300)",
        "12,346",
        "1.23 ms",
        "12.3 ms",
        "31.2 µs",
        "5.0 MiB",
    ] {
        assert!(text.contains(cell), "{cell} in\n{text}");
    }
}

#[test]
fn only_the_head_is_bold() {
    let text = table(&report().rows(), true);
    assert_eq!(text.matches("\x1b[1m").count(), 1);
    assert!(text.lines().next().unwrap().ends_with("\x1b[0m"));
}

#[test]
fn counts_name_their_codes() {
    let counted = |entries: &[(&str, u64)]| {
        counts(
            &entries
                .iter()
                .map(|&(code, n)| (code.to_owned(), n))
                .collect(),
        )
    };
    assert_eq!(counted(&[]), "0");
    assert_eq!(counted(&[("53300", 1_904)]), "1,904 (53300)");
    let both = counted(&[("53300", 2), ("timeout", 1)]);
    assert_eq!(both, "3 (53300: 2, timeout: 1)");
}

#[test]
fn thousands_are_grouped() {
    for (number, text) in [
        (0, "0"),
        (999, "999"),
        (1_000, "1,000"),
        (1_234_567, "1,234,567"),
    ] {
        assert_eq!(thousands(number), text);
    }
}

#[test]
fn a_wrong_answer_or_lost_money_is_a_failure() {
    assert!(report().sound());
    let mut mixed = report();
    mixed.runs[1].mixed_answers = 1;
    assert!(!mixed.sound());
    assert!(mixed.text(false).contains("this is a bug"));
    let mut lost = report();
    lost.balanced = false;
    assert!(!lost.sound());
}

#[test]
fn json_has_the_same_facts() {
    let json: serde_json::Value = serde_json::from_str(&report().json().unwrap()).unwrap();
    assert_eq!(json["runs"][0]["refused"]["53300"], 904);
    assert_eq!(json["runs"][0]["pgweir"], serde_json::Value::Null);
    assert_eq!(json["runs"][1]["pgweir"]["memory_kib"], 5_120);
}
