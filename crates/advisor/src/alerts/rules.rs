//! The rules themselves.

use super::rule::{AlertRule, Urgency};
use super::thresholds::Thresholds;

/// All rules, the most serious subjects first.
pub(super) fn all(thresholds: &Thresholds) -> Vec<AlertRule> {
    let mut rules = process(thresholds);
    rules.extend(waits(thresholds));
    rules.extend(errors(thresholds));
    rules.extend(statements(thresholds));
    rules.extend(postgres(thresholds));
    if !thresholds.hold.is_empty() {
        for rule in &mut rules {
            rule.hold.clone_from(&thresholds.hold);
        }
    }
    rules
}

fn process(thresholds: &Thresholds) -> Vec<AlertRule> {
    let Thresholds {
        job,
        clients_share,
        certificate_days,
        restarts,
        ..
    } = thresholds;
    let restart_window = thresholds.restart_window();
    vec![
        AlertRule {
            alert: "PgweirDown",
            expr: format!("up{{job=\"{job}\"}} == 0"),
            hold: "30s".to_owned(),
            urgency: Urgency::Page,
            summary: "pgweir cannot be scraped",
            description: "{{ $labels.instance }} does not answer Prometheus: the process is gone, \
                          or http_listen cannot be reached."
                .to_owned(),
        },
        AlertRule {
            alert: "PgweirNotReady",
            // A pooler that shuts down is meant to be not ready.
            expr: "pgweir_ready == 0\nunless pgweir_draining == 1".to_owned(),
            hold: "30s".to_owned(),
            urgency: Urgency::Page,
            summary: "pgweir has no PostgreSQL",
            description: "{{ $labels.instance }} has no server open, and the last login to \
                          PostgreSQL failed: no client gets anything done."
                .to_owned(),
        },
        AlertRule {
            alert: "PgweirLoginFailing",
            expr: "pgweir_pool_login_failing == 1".to_owned(),
            hold: "30s".to_owned(),
            urgency: Urgency::Critical,
            summary: "logins to PostgreSQL fail",
            description: format!("{POOL} cannot open servers; those that are open still serve."),
        },
        AlertRule {
            alert: "PgweirRestarts",
            expr: format!("resets(pgweir_uptime_seconds[{restart_window}]) > {restarts}"),
            hold: "0s".to_owned(),
            urgency: Urgency::Critical,
            summary: "pgweir restarts again and again",
            description: format!(
                "{{{{ $labels.instance }}}} restarted {{{{ $value }}}} times within {restart_window}."
            ),
        },
        AlertRule {
            alert: "PgweirClientsNearLimit",
            expr: format!("pgweir_clients / pgweir_clients_limit > {clients_share}"),
            hold: "1m".to_owned(),
            urgency: Urgency::Warning,
            summary: "the limit of clients is near",
            description: "{{ $labels.instance }} has {{ $value | humanizePercentage }} of the \
                          clients that max_client_conn allows."
                .to_owned(),
        },
        AlertRule {
            alert: "PgweirCertificateExpires",
            expr: format!("pgweir_tls_certificate_days_left < {certificate_days}"),
            hold: "1m".to_owned(),
            urgency: Urgency::Warning,
            summary: "a certificate expires soon",
            description:
                "The certificate of {{ $labels.instance }} towards {{ $labels.side }} is good for \
                          {{ $value }} more days; then TLS connections fail."
                    .to_owned(),
        },
    ]
}

fn waits(thresholds: &Thresholds) -> Vec<AlertRule> {
    let Thresholds {
        waiters,
        acquire_timeout,
        pinned_share,
        free_share,
        wait_p95,
        window,
        ..
    } = thresholds;
    let wait_max = acquire_timeout / 2.0;
    vec![
        AlertRule {
            alert: "PgweirClientsWait",
            expr: format!("pgweir_pool_waiters > {waiters}"),
            hold: "30s".to_owned(),
            urgency: Urgency::Warning,
            summary: "clients wait for a server",
            description: format!("{{{{ $value }}}} clients of {POOL} wait."),
        },
        AlertRule {
            alert: "PgweirWaitLong",
            expr: format!("pgweir_pool_oldest_wait_seconds > {wait_max}"),
            hold: "0s".to_owned(),
            urgency: Urgency::Critical,
            summary: "a client waits so long that it may give up",
            description: format!(
                "A client of {POOL} has waited for {{{{ $value | humanizeDuration }}}}; \
                 applications give up after {acquire_timeout} s."
            ),
        },
        AlertRule {
            alert: "PgweirAcquireTimeouts",
            expr: format!(
                "increase(pgweir_pool_refusals_total{{reason=~\"timeout|queue_full\"}}[{window}]) > 0"
            ),
            hold: "0s".to_owned(),
            urgency: Urgency::Critical,
            summary: "clients got no server",
            description: format!(
                "{{{{ $value | humanize }}}} clients of {POOL} were refused within {window} \
                 ({{{{ $labels.reason }}}})."
            ),
        },
        AlertRule {
            alert: "PgweirPoolExhausted",
            // A full pool in which nobody waits has just the right size.
            expr: format!(
                "1 - sum without (state) (pgweir_pool_servers{{state=\"active\"}}) \
                 / pgweir_pool_servers_limit < {free_share}\n\
                 and (\n  pgweir_pool_waiters > 0\n  or\n  \
                 histogram_quantile(0.95, rate(pgweir_pool_wait_seconds_bucket[{window}])) > {wait_p95}\n)"
            ),
            hold: "1m".to_owned(),
            urgency: Urgency::Warning,
            summary: "a pool is exhausted",
            description: format!(
                "{{{{ $value | humanizePercentage }}}} of {POOL} is free, and clients wait."
            ),
        },
        AlertRule {
            alert: "PgweirPinned",
            expr: format!(
                "sum without (reason) (pgweir_pool_pinned_servers) \
                 / sum without (state) (pgweir_pool_servers{{state=\"active\"}}) > {pinned_share}\n\
                 and pgweir_pool_waiters_behind_pins > 0"
            ),
            hold: "30s".to_owned(),
            urgency: Urgency::Warning,
            summary: "clients wait, and state of sessions keeps most servers of the pool",
            description: format!(
                "{{{{ $value | humanizePercentage }}}} of the servers in use of {POOL} are pinned, and clients wait."
            ),
        },
        AlertRule {
            alert: "PgweirLeak",
            expr: "pgweir_pool_leaks > 0".to_owned(),
            hold: "1m".to_owned(),
            urgency: Urgency::Warning,
            summary: "a client holds a server and does not give it back",
            description: format!("{{{{ $value }}}} clients of {POOL} hold servers for too long."),
        },
    ]
}

fn errors(thresholds: &Thresholds) -> Vec<AlertRule> {
    let Thresholds {
        errors_per_second,
        window,
        ..
    } = thresholds;
    vec![AlertRule {
        alert: "PgweirConnectionErrors",
        expr: format!(
            "sum without (sqlstate) (\n  label_replace(\n    \
             rate(pgweir_errors_total{{sqlstate=~\"08...|28...|53...|57P..\"}}[{window}]),\n    \
             \"class\", \"$1\", \"sqlstate\", \"(08|28|53|57P).*\"\n  )\n) > {errors_per_second}"
        ),
        hold: "1m".to_owned(),
        urgency: Urgency::Warning,
        summary: "clients get connection errors",
        description: "{{ $labels.instance }} sends {{ $value | humanize }} errors of SQLSTATE \
                      class {{ $labels.class }} per second."
            .to_owned(),
    }]
}

fn statements(thresholds: &Thresholds) -> Vec<AlertRule> {
    let Thresholds {
        slow_share,
        slow_min,
        n_plus_one_per_minute,
        window,
        ..
    } = thresholds;
    let slow = |level: &str| {
        let slow = format!(
            "sum without (level) (increase(pgweir_pool_slow_statements_total{{level=~\"{level}\"}}[{window}]))"
        );
        format!(
            "{slow} / increase(pgweir_pool_queries_total[{window}]) > {slow_share}\n\
             and {slow} >= {slow_min}"
        )
    };
    let description = |what: &str| {
        format!("{{{{ $value | humanizePercentage }}}} of the queries of {POOL} were {what}.")
    };
    vec![
        AlertRule {
            alert: "PgweirSlowQueries",
            expr: slow("slow|very_slow"),
            hold: "1m".to_owned(),
            urgency: Urgency::Warning,
            summary: "many queries are slow",
            description: description("slow"),
        },
        AlertRule {
            alert: "PgweirVerySlowQueries",
            expr: slow("very_slow"),
            hold: "1m".to_owned(),
            urgency: Urgency::Critical,
            summary: "many queries are very slow",
            description: description("very slow"),
        },
        AlertRule {
            alert: "PgweirNPlusOne",
            expr: format!(
                "rate(pgweir_pool_n_plus_one_total[{window}]) * 60 > {n_plus_one_per_minute}"
            ),
            hold: "5m".to_owned(),
            urgency: Urgency::Info,
            summary: "an application repeats a statement again and again",
            description: format!(
                "{{{{ $value | humanize }}}} times a minute a client of {POOL} repeats one \
                 statement where one query would do."
            ),
        },
    ]
}

fn postgres(thresholds: &Thresholds) -> Vec<AlertRule> {
    let Thresholds {
        sessions_warning,
        sessions_critical,
        sessions_page,
        ..
    } = thresholds;
    let near = |urgency, comparison: String| AlertRule {
        alert: "PgweirMaxConnectionsNear",
        // Plus one: the probe's own session.
        expr: format!(
            "(sum without (origin, state) (pgweir_postgres_sessions) + 1) \
             / pgweir_postgres_sessions_limit {comparison}"
        ),
        hold: "1m".to_owned(),
        urgency,
        summary: "PostgreSQL's limit of connections is near",
        description:
            "{{ $value | humanizePercentage }} of the connections that {{ $labels.server }} \
                      has for ordinary users are in use."
                .to_owned(),
    };
    vec![
        near(Urgency::Warning, format!("> {sessions_warning}")),
        near(Urgency::Critical, format!("> {sessions_critical}")),
        near(Urgency::Page, format!(">= {sessions_page}")),
        AlertRule {
            alert: "PgweirPostgresOverloaded",
            expr: "sum without (wait_event_type, wait_event) (pgweir_postgres_active_sessions)\n\
                   > pgweir_postgres_cores"
                .to_owned(),
            hold: "10m".to_owned(),
            urgency: Urgency::Warning,
            summary: "PostgreSQL has more active sessions than cores",
            description: "On average {{ $value | humanize }} sessions are active at \
                          {{ $labels.server }}, more than it has cores."
                .to_owned(),
        },
        AlertRule {
            alert: "PgweirProbeAway",
            expr: "pgweir_postgres_probe{state=\"away\"} == 1".to_owned(),
            hold: "2m".to_owned(),
            urgency: Urgency::Warning,
            summary: "PostgreSQL does not answer the probe",
            description: "The probe gets no answer from {{ $labels.server }}: alerts on its \
                          connections cannot fire."
                .to_owned(),
        },
    ]
}

/// The pool in a description.
const POOL: &str = "the pool {{ $labels.database }}/{{ $labels.user }}";
