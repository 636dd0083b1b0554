use super::*;

const URL: &str = "postgres://app:hush@db:5433/iss";

fn read(variables: &[(&str, &str)]) -> Result<PoolSettings, SettingsError> {
    let url = [("DATABASE_URL", URL)];
    // A later one replaces the URL above.
    PoolSettings::from_variables(url.iter().chain(variables).copied())
}

#[track_caller]
fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    let error = read(variables).expect_err("they are wrong");
    assert!(!error.to_string().contains("hush"), "{error}");
    error.problems.iter().map(ToString::to_string).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let settings = read(&[]).unwrap();
    assert_eq!(settings.max_connections, 10);
    assert_eq!(settings.min_connections, 2);
    assert_eq!(settings.acquire_timeout, seconds(5));
    assert_eq!(settings.idle_timeout, Some(seconds(600)));
    assert_eq!(settings.max_lifetime, Some(seconds(1800)));
    assert!(settings.test_before_acquire);
    assert_eq!(settings.connect.get_host(), "db");
    assert_eq!(settings.connect.get_port(), 5433);
    assert_eq!(settings.connect.get_database(), Some("iss"));
}

#[test]
fn variables_and_parameters_are_read() {
    let settings = read(&[
        (
            "DATABASE_URL",
            "postgresql://app:hush@db/iss?connection_limit=20&pool_timeout=10&connect_timeout=7\
             &socket_timeout=30&sslmode=disable&application_name=iss",
        ),
        ("DB_MIN_CONNECTIONS", "3"),
        ("DB_ACQUIRE_TIMEOUT", "10s"),
        ("DB_IDLE_TIMEOUT", "0"),
        ("DB_MAX_LIFETIME", "30min"),
        ("DB_TEST_BEFORE_ACQUIRE", "false"),
        ("DB_SLOW_QUERY", "250ms"),
        ("DB_POOLER", "pgweir"),
        ("DB_REPLICAS", "3"),
        ("DB_METRIC_NAMES", "opentelemetry"),
        ("DB_HOST", "left to Laravel"),
        ("DB_POOLED", "true"),
    ])
    .unwrap();
    assert_eq!(settings.max_connections, 20);
    assert_eq!(settings.min_connections, 3);
    assert_eq!(settings.acquire_timeout, seconds(10));
    assert_eq!(settings.connect_timeout, seconds(7));
    assert_eq!(settings.idle_timeout, None);
    assert_eq!(settings.max_lifetime, Some(seconds(1800)));
    assert!(!settings.test_before_acquire);
    assert_eq!(settings.slow_query.slow, Duration::from_millis(250));
    assert_eq!(settings.pooler, Pooler::Pgweir);
    assert_eq!(settings.replicas, NonZeroU32::new(3));
    assert_eq!(settings.metric_names, MetricNames::OpenTelemetry);
    assert_eq!(settings.service, "iss");
    assert_eq!(
        settings.line(),
        "Connection Pool: Limit: 20, Pool Timeout: 10s, Connect Timeout: 7s"
    );
}

#[test]
fn every_mistake_is_reported_at_once() {
    assert_eq!(
        problems(&[
            (
                "DATABASE_URL",
                "postgres://app:hush@db/iss?connection_limit=many&sslmode=maybe&pool_timeot=3",
            ),
            ("DB_ACQUIRE_TIMEOUT", "0"),
            ("DB_MAX_LIFETIME", "-1"),
            ("DB_MIN_CONNECTION", "1"),
            ("DB_TEST_BEFORE_ACQUIRE", "maybe"),
        ]),
        [
            "parameter sslmode of the database URL must be disable, allow, prefer, require, \
             verify-ca, verify-full",
            "parameter connection_limit of the database URL must be a whole number from 1 to 10000",
            "parameter pool_timeot of the database URL is unknown; did you mean pool_timeout?",
            "DB_ACQUIRE_TIMEOUT must be more than 0: nobody would get a connection that is not idle",
            "DB_MAX_LIFETIME must be seconds, 0 for never, not -1",
            "DB_MIN_CONNECTION is no variable of the pool; did you mean DB_MIN_CONNECTIONS?",
            "DB_TEST_BEFORE_ACQUIRE must be true or false",
        ]
    );
}

#[test]
fn a_missing_url_does_not_hide_other_mistakes() {
    let error = PoolSettings::from_variables([("DB_MAX_CONNECTIONS", "0")]).unwrap_err();
    let origins: Vec<Origin> = error.problems.into_iter().map(|p| p.origin).collect();
    assert_eq!(
        origins,
        ["DATABASE_URL", "DB_MAX_CONNECTIONS"].map(|name| Origin::Variable(name.to_owned()))
    );
}

#[test]
fn secrets_stay_out_of_messages() {
    for url in [
        "hush",
        "mysql://app:hush@db/iss",
        "postgres://app:hush@db:port/iss",
        "postgres://app:hu/sh@hush:hush/iss",
        "postgres://app@db/iss?password=hush&connection_limit=hush",
        "postgres://app@db/iss?port=hush",
        "postgres://app@db/iss?hush=%ff",
        // A password that is cut in two by its question mark: `12?hush`, `p@12?hush&a=b`.
        "postgres://app:12?hush@db/iss",
        "postgres://app:p@12?hush&a=b@db/iss",
        "postgres://app:12?hush/x&application_name=a",
        "postgres://app:12#hush@db/iss",
        "postgres://app@db/iss?a%0ahush=1",
    ] {
        let error = PoolSettings::from_url(url).unwrap_err();
        assert!(!error.to_string().contains("hush"), "{error}");
    }
    let settings = PoolSettings::from_url("postgres://app:hush@db/iss?token=hush&pgbouncer=true")
        .unwrap()
        .statement_timeout(seconds(30));
    assert!(!format!("{settings:?} {settings}").contains("hush"));
    assert!(!settings.warnings().join("\n").contains("hush"));
}

#[test]
fn what_differs_in_two_places_is_a_mistake_and_what_agrees_is_not() {
    let url = ("DATABASE_URL", "postgres://app:hush@db/iss?pool_timeout=10");
    assert!(read(&[url, ("DB_ACQUIRE_TIMEOUT", "10.0")]).is_ok());
    assert_eq!(
        problems(&[url, ("DB_ACQUIRE_TIMEOUT", "5")]),
        [
            "DB_ACQUIRE_TIMEOUT differs from parameter pool_timeout of the database URL; remove one \
          of them"
        ]
    );
}

#[test]
fn contradictions_carry_the_name_of_what_was_given() {
    assert_eq!(
        problems(&[("DB_MAX_CONNECTIONS", "2"), ("DB_MIN_CONNECTIONS", "5")]),
        ["DB_MIN_CONNECTIONS must not be more than max_connections, but 5 is more than 2"]
    );
    // The default gives way.
    assert_eq!(
        read(&[("DB_MAX_CONNECTIONS", "1")])
            .unwrap()
            .min_connections,
        1
    );
    let error = read(&[]).unwrap().max_connections(1).check().unwrap_err();
    assert_eq!(error.problems[0].origin, Origin::Method("min_connections"));
}

#[test]
fn sqlx_sees_only_what_it_knows() {
    let settings = PoolSettings::from_url(
        "postgres://app:hush@db/iss?connection_limit=5&options[search_path]=a&channel_binding=require\
         &schema=app",
    )
    .unwrap();
    assert_eq!(
        settings.connect.get_options(),
        Some("-c search_path=a -c search_path=app")
    );
    assert_eq!(
        settings.left_out,
        ["parameter channel_binding of the database URL is not known to SQLx and was left out"]
    );
}

#[test]
fn the_server_gives_up_before_the_service() {
    let settings = read(&[("DB_SOCKET_TIMEOUT", "30")]).unwrap();
    assert_eq!(settings.session_settings(), [("statement_timeout", 30_000)]);
    assert_eq!(settings.query_limit(), Some(seconds(35)));
    let settings = settings.statement_timeout(seconds(20));
    assert_eq!(settings.session_settings(), [("statement_timeout", 20_000)]);
    assert_eq!(settings.query_limit(), Some(seconds(30)));
    assert_eq!(settings.warnings(), [""; 0]);
    let settings = settings.statement_timeout(seconds(40));
    assert_eq!(settings.warnings().len(), 1);
    assert_eq!(read(&[]).unwrap().query_limit(), None);
}

#[test]
fn a_connect_timeout_that_does_less_than_it_seems_to_is_said() {
    let warnings = |variables: &[(&str, &str)]| read(variables).unwrap().warnings();
    assert_eq!(warnings(&[("DB_ACQUIRE_TIMEOUT", "10")]), [""; 0]);
    assert_eq!(warnings(&[("DB_CONNECT_TIMEOUT", "10")]), [""; 0]);
    assert_eq!(
        warnings(&[("DB_CONNECT_TIMEOUT", "2")]),
        [
            "connect_timeout (2s) bounds the start only: a connection that is opened later may take \
          acquire_timeout (5s)"
        ]
    );
}

#[test]
fn behind_a_pooler_sessions_are_set_up_as_it_wants() {
    let settings = read(&[("DB_STATEMENT_TIMEOUT", "30"), ("DB_LOCK_TIMEOUT", "5")]).unwrap();
    let options = |pooler| {
        let options = settings.clone().pooler(pooler).server_options();
        options.get_options().map(str::to_owned)
    };
    let both = Some("-c statement_timeout=30000 -c lock_timeout=5000".to_owned());
    assert_eq!(options(Pooler::None), both);
    assert_eq!(options(Pooler::Pgweir), both);
    assert_eq!(options(Pooler::PgBouncer), None);
    assert_eq!(settings.begin_statement(), None);
    let behind = settings.pooler(Pooler::PgBouncer);
    assert_eq!(
        behind.begin_statement().unwrap(),
        "BEGIN; SET LOCAL statement_timeout = 30000; SET LOCAL lock_timeout = 5000"
    );
    assert!(behind.warnings()[0].contains("SET statement_timeout = 30000"));
}

#[test]
fn times_come_in_units() {
    let time = |text| match value::Kind::TimeOrNever.parse(text) {
        Ok(value::Value::Time(Some(time))) => Some(time),
        _ => None,
    };
    assert_eq!(time("5"), Some(seconds(5)));
    assert_eq!(time(" 0.5 "), Some(Duration::from_millis(500)));
    assert_eq!(time("500ms"), Some(Duration::from_millis(500)));
    assert_eq!(time("2 min"), Some(seconds(120)));
    assert_eq!(time("1h"), Some(seconds(3600)));
    for wrong in [
        "", "s", "1d", "-1", "1e3", "inf", "nan", "1.2.3", "99999999",
    ] {
        assert_eq!(time(wrong), None, "{wrong}");
    }
}
