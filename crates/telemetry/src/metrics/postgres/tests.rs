use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::compat::{self, ApplicationNames};
use crate::exposition::{Exposition, TextFormat};
use crate::postgres::{
    Activity, Origin, PostgresSnapshot, Privilege, Seen, SessionState, Sight, Wait,
};
use crate::snapshot::tests::quiet;

fn render(sight: Sight) -> String {
    let mut snapshot = quiet();
    snapshot.postgres = vec![PostgresSnapshot {
        server: "db:5432".into(),
        cores: Some(8),
        sight,
    }];
    let mut out = Exposition::new(TextFormat::Prometheus);
    super::write(&snapshot, &mut out);
    let names = ApplicationNames {
        postgres_exporter: true,
        ..ApplicationNames::default()
    };
    compat::write_applications(&snapshot, names, &mut out);
    out.finish()
}

fn seen(privilege: Privilege) -> Sight {
    let lock = Wait {
        kind: "Lock".to_owned(),
        event: "tuple".to_owned(),
    };
    Sight::Seen(Arc::new(Seen {
        activity: Activity {
            privilege,
            max_connections: 100,
            superuser_reserved: 3,
            reserved: 2,
            sessions: BTreeMap::from([((Origin::Pools, SessionState::IdleInTransaction), 4)]),
            applications: BTreeMap::from([(
                ("shop".into(), SessionState::IdleInTransaction, "web".into()),
                4,
            )]),
            oldest_transaction: BTreeMap::from([(Origin::Elsewhere, Duration::from_secs(9))]),
            waits: BTreeMap::new(),
            blocked: BTreeMap::new(),
        },
        averages: vec![(lock, 2.5)],
    }))
}

#[test]
fn what_postgres_does_is_written() {
    let text = render(seen(Privilege::Reduced));
    for line in [
        "pgweir_postgres_probe{server=\"db:5432\",state=\"reduced\"} 1",
        "pgweir_postgres_probe{server=\"db:5432\",state=\"full\"} 0",
        "pgweir_postgres_cores{server=\"db:5432\"} 8",
        "pgweir_postgres_max_connections{server=\"db:5432\"} 100",
        "pgweir_postgres_sessions_limit{server=\"db:5432\"} 95",
        "pgweir_postgres_sessions{server=\"db:5432\",origin=\"pools\",state=\"idle_in_transaction\"} 4",
        "pgweir_postgres_sessions{server=\"db:5432\",origin=\"elsewhere\",state=\"active\"} 0",
        "pgweir_postgres_active_sessions{server=\"db:5432\",wait_event_type=\"Lock\",wait_event=\"tuple\"} 2.5",
        "pg_stat_activity_count{server=\"db:5432\",datname=\"shop\",state=\"idle in transaction\",application_name=\"web\"} 4",
        "pg_stat_activity_count{server=\"db:5432\",datname=\"shop\",state=\"active\",application_name=\"\"} 0",
        "pg_settings_max_connections{server=\"db:5432\"} 100",
        "pgweir_postgres_oldest_transaction_seconds{server=\"db:5432\",origin=\"elsewhere\"} 9.0",
        "pgweir_postgres_oldest_transaction_seconds{server=\"db:5432\",origin=\"pools\"} 0.0",
    ] {
        assert!(
            text.lines().any(|written| written == line),
            "{line} in\n{text}"
        );
    }
}

#[test]
fn what_is_not_seen_is_not_shown_but_said() {
    for (sight, word) in [
        (Sight::Off, "off"),
        (Sight::NoUser, "no_user"),
        (Sight::Away, "away"),
    ] {
        let text = render(sight);
        let said = format!("pgweir_postgres_probe{{server=\"db:5432\",state=\"{word}\"}} 1");
        assert!(text.lines().any(|line| line == said), "{said} in\n{text}");
        assert!(!text.contains("pgweir_postgres_sessions{"), "{text}");
    }
}
