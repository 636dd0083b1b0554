//! Who may say where clients are, and what clients may do before they have logged in.

use super::{REST, check_problems, check_shown, read, warnings};

#[test]
fn networks_are_a_list_or_a_text() {
    for value in [
        "[\"10.0.0.0/8\", \"::1\"]",
        "\"10.0.0.0/8,::1\"",
        "[\"10.0.0.0/8\", \" ::1/128 \"]",
    ] {
        let text = format!("[pgweir]\nproxy_protocol_networks = {value}{REST}");
        check_shown(
            read(&text),
            &["pgweir.proxy_protocol_networks = 10.0.0.0/8, ::1 @ line 2"],
        );
    }
    check_shown(
        read(REST),
        &[
            "pgweir.proxy_protocol_networks = none @ default",
            "pgweir.login_limits_exempt = 127.0.0.0/8, ::1, unix @ default",
        ],
    );
    check_problems(
        read(&format!(
            "[pgweir]\nproxy_protocol_networks = [\"10.0.0.1/8\", 1]{REST}"
        )),
        &[
            "pgweir.toml:2: proxy_protocol_networks = [\"10.0.0.1/8\", 1]: must be text: put it in quotes",
        ],
    );
}

#[test]
fn whoever_trusts_everybody_is_warned() {
    let text = format!("[pgweir]\nproxy_protocol_networks = \"0.0.0.0/0\"{REST}");
    assert_eq!(
        warnings(&text),
        [
            "pgweir.toml:2: proxy_protocol_networks = 0.0.0.0/0: lets everybody claim any address; list the \
          load balancers alone"
        ]
    );
}
