//! Every kind of problem of a file, by its line.

use super::{MD5, REST, SCRAM, check_problems, read};

/// `[pgweir]` with one setting, on line 2, has exactly this problem.
#[track_caller]
fn check_global(setting: &str, message: &str) {
    let text = format!("[pgweir]\n{setting}{REST}");
    let setting = setting.replace('"', "");
    let line = format!("pgweir.toml:2: {setting}: {message}");
    check_problems(read(&text), &[&line]);
}

/// A database with one setting, on line 4, has exactly this problem.
#[track_caller]
fn check_database(setting: &str, message: &str) {
    let text = format!("[users.bob]\npassword = \"x\"\n[databases.app]\n{setting}\n");
    let setting = setting.replace('"', "");
    let line = format!("pgweir.toml:4: databases.app.{setting}: {message}");
    check_problems(read(&text), &[&line]);
}

/// A whole file has exactly these problems.
#[track_caller]
fn check(text: &str, lines: &[&str]) {
    check_problems(read(text), lines);
}

#[test]
fn a_number_out_of_bounds_says_its_bound() {
    check_global(
        "default_pool_size = -3",
        "must be 0 or more; 0 means no limit",
    );
    check_global(
        "default_pool_size = 10001",
        "must be at most 10000; 0 means no limit",
    );
    check_global("min_pool_size = -1", "must be 0 or more");
    check_global("max_client_conn = 0", "must be 1 or more");
    check_global(
        "max_client_conn = 9223372036854775807",
        "must be at most 1000000",
    );
    check_global("listen_port = 65536", "must be at most 65535");
    check_global("listen_port = 0", "must be 1 or more");
    check_global(
        "max_client_conn = 1.5",
        "must be a whole number of 1 or more",
    );
    check_global(
        "max_client_conn = \"many\"",
        "must be a whole number of 1 or more",
    );
    check_global(
        "max_client_conn = true",
        "must be a whole number of 1 or more",
    );
    for wrong in ["0", "257", "\"all\"", "-1"] {
        let setting = format!("workers = {wrong}");
        check_global(&setting, "must be \"auto\" or a number from 1 to 256");
    }
}

#[test]
fn a_time_out_of_bounds_says_its_bound() {
    check_global("query_timeout = -1", "must be 0 or more; 0 means off");
    check_global(
        "server_lifetime = \"-1h\"",
        "must be 0 or more; 0 means single use",
    );
    check_global("query_timeout = 315360001", "must be at most 3650 days");
    check_global("query_timeout = \"3651d\"", "must be at most 3650 days");
    check_global(
        "query_timeout = \"1000000000000000000000d\"",
        "must be at most 3650 days",
    );
    check_global(
        "query_timeout = 0.0001",
        "must be at least 1ms, or 0, which means off",
    );
    check_global("tcp_keepidle = \"500ms\"", "must be 0 or at least 1s");
    check_global("stats_period = \"10ms\"", "must be 0 or at least 1s");
}

#[test]
fn a_time_of_another_form_is_told_the_form() {
    let form = "must be a number of seconds, or a text with a unit such as \"100ms\", \"5s\", \
                \"10min\", \"1h\" or \"7d\"";
    for wrong in [
        "\"5m\"",
        "\"five\"",
        "\"\"",
        "\"1 2s\"",
        "\"1.2.3s\"",
        "\"1e3\"",
        "true",
    ] {
        check_global(&format!("query_timeout = {wrong}"), form);
    }
    for (wrong, shown) in [("nan", "NaN"), ("inf", "inf"), ("-inf", "-inf")] {
        let line = format!("pgweir.toml:2: query_timeout = {shown}: {form}");
        check(
            &format!("[pgweir]\nquery_timeout = {wrong}{REST}"),
            &[&line],
        );
    }
}

#[test]
fn a_word_that_is_none_of_the_known_lists_them() {
    check_global(
        "pool_mode = \"query\"",
        "must be one of session, transaction, statement",
    );
    check_global(
        "auth_type = \"krb5\"",
        "must be one of any, trust, plain, md5, scram-sha-256, cert, peer, jwt, oauth, pam, ldap, hba",
    );
    check_global("tcp_keepalive = \"maybe\"", "must be true or false");
    check_global("tcp_keepalive = 2", "must be true or false");
    let mode = "must be a file mode in octal, such as \"0770\", at most \"0777\"";
    check_global("unix_socket_mode = \"0888\"", mode);
    check_global("unix_socket_mode = 770", mode);
}

#[test]
fn text_has_bounds_and_no_nul() {
    check_database("dbname = 5", "must be text: put it in quotes");
    let text = format!("[databases.app]\ndbname = \"{}\"", "x".repeat(1025));
    let shown = format!("{}...", "x".repeat(60));
    let line = format!(
        "pgweir.toml:2: databases.app.dbname = {shown}: must be at most 1024 bytes; it has 1025"
    );
    check(&format!("{text}\n[users.bob]\npassword = \"x\""), &[&line]);
    check(
        &format!("[pgweir]{REST}dbname = 1\n"),
        &["pgweir.toml:5: users.bob.dbname: belongs in [databases.NAME]"],
    );
    check(
        "[databases.app]\ndbname = \"a\\u0000b\"\n[users.bob]\npassword = \"x\"",
        &[
            "pgweir.toml:2: databases.app.dbname = a\\u{0}b: must not contain a NUL: the protocol \
           ends text there",
        ],
    );
}

#[test]
fn a_setting_of_no_plain_value_is_refused() {
    for (value, message) in [
        (
            "[1]",
            "must not be a list; where several values may stand, write one text with commas",
        ),
        ("1979-05-27", "must not be a date or time of day"),
        ("{ a = 1 }", "must not be a section"),
        ("99999999999999999999", "is too large a number"),
    ] {
        let line = format!("pgweir.toml:2: max_client_conn: {message}");
        check(
            &format!("[pgweir]\nmax_client_conn = {value}{REST}"),
            &[&line],
        );
    }
}

#[test]
fn an_unknown_setting_names_the_nearest_known_and_never_its_value() {
    check(
        "[pgweir]\nmax_client_con = 5\nxyzzy_frobnicate = 1\n\
         [databases.app]\npool_sise = 2\ndefault_pool_size = 5\nport_ = 7\n\
         [users.bob]\npasword = \"hush\"\npassword = \"x\"\nmin_pool_size = 1\n",
        &[
            "pgweir.toml:2: max_client_con: unknown setting; did you mean max_client_conn?",
            "pgweir.toml:3: xyzzy_frobnicate: unknown setting; pgweir help configuration lists the \
             known ones",
            "pgweir.toml:5: databases.app.pool_sise: unknown setting; did you mean pool_size?",
            "pgweir.toml:6: databases.app.default_pool_size: belongs in [pgweir]; here it is \
             called pool_size",
            "pgweir.toml:7: databases.app.port_: unknown setting; did you mean port?",
            "pgweir.toml:9: users.bob.pasword: unknown setting; did you mean password?",
            "pgweir.toml:11: users.bob.min_pool_size: belongs in [pgweir] or [databases.NAME]",
        ],
    );
    check_global_key(
        "pool_size",
        "belongs in [databases.NAME] or [users.NAME]; here it is called default_pool_size",
    );
}

#[track_caller]
fn check_global_key(name: &str, message: &str) {
    let line = format!("pgweir.toml:2: {name}: {message}");
    check(&format!("[pgweir]\n{name} = 1{REST}"), &[&line]);
}

#[test]
fn a_setting_only_pgbouncer_has_is_not_called_unknown() {
    check_global_key("verbose", "is not supported yet by this version; remove it");
    check_global_key(
        "track_extra_parameters",
        "has no meaning here: every setting of a client is kept, whatever it is; remove it",
    );
}

#[test]
fn a_setting_and_its_other_name_exclude_each_other() {
    check(
        "[users.bob]\npassword = \"x\"\n[databases.app]\nreserve_pool = 1\nreserve_pool_size = 2\n",
        &[
            "pgweir.toml:5: databases.app.reserve_pool_size: is another name of reserve_pool_size; \
           give one of them",
        ],
    );
}

#[test]
fn sections_are_checked_too() {
    let rest = REST;
    check(
        &format!("port = 1\n[pgbouncer]\n[peers.1]\n[database.x]\n[wombats]{rest}"),
        &[
            "pgweir.toml:1: port: stands outside every section; settings go below [pgweir]",
            "pgweir.toml:2: pgbouncer: is called [pgweir] in this file",
            "pgweir.toml:3: peers.1.host: is missing: the peer's address, or the folder of its unix socket",
            "pgweir.toml:4: database: unknown section; did you mean [databases]?",
            "pgweir.toml:5: wombats: unknown section; known are pgweir, databases, users, peers",
        ],
    );
    check(
        "[databases]\napp = \"host=x\"\n[users.bob]\npassword = \"x\"\n",
        &[
            "pgweir.toml: serves no database: add a section [databases.NAME]",
            "pgweir.toml:2: databases.app: must be a section: [databases.app]",
        ],
    );
}

#[test]
fn nothing_to_serve_and_nobody_to_serve_are_problems() {
    check(
        "",
        &[
            "pgweir.toml: serves no database: add a section [databases.NAME]",
            "pgweir.toml: lets no user in: add a section [users.NAME] or an auth_file",
        ],
    );
}

#[test]
fn broken_toml_is_reported_by_line_without_the_line() {
    let problems = read("[pgweir]\nlisten_port = 1\n[users.bob]\npassword = \"hush\n").unwrap_err();
    assert_eq!(problems.len(), 1);
    let line = problems[0].to_string();
    assert!(line.starts_with("conf/pgweir.toml:4: "), "{line}");
    assert!(!line.contains("hush"), "{line}");
    let twice = read("[pgweir]\nlisten_port = 1\nlisten_port = 2\n").unwrap_err();
    assert!(
        twice[0].to_string().starts_with("conf/pgweir.toml:3: "),
        "{}",
        twice[0]
    );
}

#[test]
fn listeners_must_be_there_once_each() {
    check_global(
        "listen_addr = \"127.0.0.1, 127.0.0.1\"",
        "lists 127.0.0.1 twice; remove one",
    );
    check_global(
        "listen_addr = \"*,0.0.0.0\"",
        "lists 0.0.0.0 twice; remove one",
    );
    check_global(
        "listen_addr = \"0.0.0.0,10.0.0.1\"",
        "lists 10.0.0.1 beside the address for all, which covers it; remove one",
    );
    check(
        &format!("[pgweir]\nlisten_addr = \"db.example\"{REST}"),
        &[
            "pgweir.toml:2: listen_addr = db.example: \"db.example\" is no address; write one such \
           as 127.0.0.1 or ::1, or * for all",
        ],
    );
    check(
        &format!("[pgweir]\nlisten_addr = \"\"{REST}"),
        &[
            "pgweir.toml:2: listen_addr = none: leaves nowhere to listen: set listen_addr or \
           unix_socket_dir",
        ],
    );
    check_global(
        "unix_socket_dir = \"run\"",
        "must be a full path, starting with /",
    );
    check_global(
        "unix_socket_dir = \"@pgweir\"",
        "names an abstract socket, which is not supported yet",
    );
    let long = format!("unix_socket_dir = \"/{}\"", "x".repeat(100));
    check_global_long(
        &long,
        "makes a socket path of 115 bytes; the system takes 107",
    );
}

#[track_caller]
fn check_global_long(setting: &str, message: &str) {
    let problems = read(&format!("[pgweir]\n{setting}{REST}")).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].message, message);
}

#[test]
fn a_host_must_be_one_that_can_be_connected_to() {
    check(
        "[users.bob]\npassword = \"x\"\n[databases.app]\nhost = \"\"\n",
        &[
            "pgweir.toml:4: databases.app.host = unset: must name a host or the folder of a unix \
           socket",
        ],
    );
    check_database(
        "host = \"a,,b\"",
        "must name a host or the folder of a unix socket",
    );
    check_database(
        "host = \"@x\"",
        "names an abstract socket, which is not supported yet",
    );
    check_database("host = \"[::1]\"", "must be an address without brackets");
    check_database(
        "host = \"a b\"",
        "is no host name, no address and no full path",
    );
    check_database(
        "host = \"run/postgresql\"",
        "is no host name, no address and no full path",
    );
}

#[test]
fn a_database_must_not_lead_back_to_the_pooler() {
    for (listen, host) in [
        ("listen_addr = \"127.0.0.1\"", "127.0.0.1"),
        ("listen_addr = \"127.0.0.1\"", "localhost"),
        ("listen_addr = \"*\"", "127.0.0.1"),
        ("listen_addr = \"*\"", "::1"),
        ("unix_socket_dir = \"/run/x\"", "/run/x"),
    ] {
        let text = format!(
            "[pgweir]\n{listen}\n[users.bob]\npassword = \"x\"\n[databases.app]\n\
             host = \"{host}\"\nport = 6432\n"
        );
        let line = format!(
            "pgweir.toml:6: databases.app.host = {host}: is where pgweir itself listens; name \
             PostgreSQL's host and port"
        );
        check(&text, &[&line]);
    }
}

#[test]
fn names_are_those_postgresql_can_have() {
    let long = "x".repeat(64);
    let long_line =
        format!("pgweir.toml:5: users.{long}: has a name of 64 bytes; PostgreSQL cuts names at 63");
    check(
        &format!(
            "[pgweir]\nauth_type = \"trust\"\n[databases.app]\n[users.\"\"]\n[users.{long}]\n\
             [databases.pgbouncer]\n[databases.pgweir]\n[databases.x]\nuser = \"a\\u0000\"\n"
        ),
        &[
            "pgweir.toml:4: users.\"\": has an empty name",
            &long_line,
            "pgweir.toml:6: databases.pgbouncer: has a name reserved for the console; choose \
             another and set dbname",
            "pgweir.toml:7: databases.pgweir: has a name reserved for the console; choose another \
             and set dbname",
            "pgweir.toml:9: databases.x.user = a\\u{0}: must not contain a NUL: the protocol ends \
             text there",
        ],
    );
}

#[test]
fn a_pool_cannot_keep_more_servers_than_it_may_open() {
    check(
        "[pgweir]\nmin_pool_size = 30\n[databases.a]\n[databases.b]\n[users.bob]\npassword = \"x\"\n",
        &[
            "pgweir.toml:2: min_pool_size = 30: must be at most the size of the pool: \
           default_pool_size is 20 (default)",
        ],
    );
    check(
        "[pgweir]\ndefault_pool_size = 5\n[databases.a]\nmin_pool_size = 6\n\
         [databases.b]\nmin_pool_size = 5\nmax_db_connections = 4\n[users.bob]\npassword = \"x\"\n",
        &[
            "pgweir.toml:4: databases.a.min_pool_size = 6: must be at most the size of the pool: \
             default_pool_size is 5 (pgweir.toml:2)",
            "pgweir.toml:6: databases.b.min_pool_size = 5: must be at most the limit of the \
             database: max_db_connections is 4 (pgweir.toml:7)",
        ],
    );
}

#[test]
fn a_value_that_cannot_be_read_brings_no_second_problem() {
    check(
        "[pgweir]\ndefault_pool_size = \"x\"\nlisten_addr = \"x y\"\n\
         [databases.a]\nmin_pool_size = 50\n[users.bob]\npassword = 1\n",
        &[
            "pgweir.toml:2: default_pool_size = x: must be a whole number of 0 or more; 0 means \
             no limit",
            "pgweir.toml:3: listen_addr = x y: \"x y\" is no address; write one such as 127.0.0.1 \
             or ::1, or * for all",
            "pgweir.toml:7: users.bob.password: must be text: put it in quotes",
        ],
    );
}

#[test]
fn clients_need_a_secret_their_auth_type_can_check() {
    let text = format!(
        "[databases.app]\n[users.ann]\n[users.bob]\npassword = \"\"\n[users.eve]\npassword = \"{MD5}\"\n\
         [users.kim]\npassword = \"{SCRAM}\"\n[users.tom]\npassword = \"SCRAM-SHA-256$1:x\"\n[pgweir]\n"
    );
    let broken = "pgweir.toml:10: users.tom.password: starts like a SCRAM verifier but is none; \
                  copy rolpassword of pg_authid in full";
    let missing = |auth_type: &str, line: u32, user: &str| {
        format!(
            "pgweir.toml:{line}: users.{user}.password: is missing, and auth_type {auth_type} \
             needs it; add it or set auth_type = \"trust\""
        )
    };
    check(
        &text,
        &[
            &missing("scram-sha-256", 2, "ann"),
            &missing("scram-sha-256", 4, "bob"),
            "pgweir.toml:6: users.eve.password: is an md5 hash, which auth_type scram-sha-256 \
             cannot check; give a SCRAM verifier or the plain password, or set auth_type = \"md5\"",
            broken,
        ],
    );
    check(
        &format!("{text}auth_type = \"md5\"\n"),
        &[&missing("md5", 2, "ann"), &missing("md5", 4, "bob"), broken],
    );
    check(
        &format!("{text}auth_type = \"plain\"\n"),
        &[
            &missing("plain", 2, "ann"),
            &missing("plain", 4, "bob"),
            broken,
        ],
    );
    for auth_type in ["trust", "cert", "peer"] {
        check(&format!("{text}auth_type = \"{auth_type}\"\n"), &[broken]);
    }
}

#[test]
fn users_are_looked_up_where_that_can_be() {
    let text = "[pgweir]\nauth_user = \"asker\"\n";
    // Users need no secret, and nobody need be listed.
    assert!(read(&format!("{text}[databases.app]\n")).is_ok());
    assert!(read(&format!("{text}[databases.app]\n[users.bob]\n")).is_ok());
    check(
        &format!(
            "{text}auth_query = \"select 1\"\nauth_dbname = \"nowhere\"\n[databases.app]\n\
             [databases.web]\nauth_user = \"kim\"\nauth_dbname = \"app\"\n[users.kim]\n\
             password = \"{SCRAM}\"\n[users.tom]\npassword = \"\"\n"
        ),
        &[
            "pgweir.toml:3: auth_query = select 1: must have $1, which is the user that is looked up",
            "pgweir.toml:4: auth_dbname = nowhere: names a database that has no section; add [databases] for it",
            "pgweir.toml:7: databases.web.auth_user = kim: has only a SCRAM verifier, which lets nobody into PostgreSQL; give the user its plain password",
            "pgweir.toml:12: users.tom.password: is missing, and auth_type scram-sha-256 needs it; add it or set auth_type = \"trust\"",
        ],
    );
}

#[test]
fn tokens_need_keys_and_public_keys_an_audience() {
    let text = "[pgweir]\nauth_type = \"jwt\"\n";
    check(
        &format!("{text}{REST}"),
        &[
            "pgweir.toml:2: auth_type = jwt: needs keys of tokens: auth_jwks_file or auth_jwt_secret_file",
        ],
    );
    check(
        &format!("{text}auth_jwt_secret_env = \"NOT_SET\"\n{REST}"),
        &[
            "pgweir.toml:3: auth_jwt_secret_env: names an environment variable that is not set; set it",
        ],
    );
    check(
        &format!("{text}auth_jwks_file = \"jwks.json\"\n{REST}"),
        &[
            "pgweir.toml:3: auth_jwks_file = jwks.json: needs auth_jwt_audience: else tokens that its issuer made for others would do",
        ],
    );
    for good in [
        "auth_jwt_secret_env = \"JWT_SECRET\"",
        "auth_jwks_file = \"jwks.json\"\nauth_jwt_audience = \"pgweir\"",
    ] {
        assert!(read(&format!("{text}{good}\n{REST}")).is_ok(), "{good}");
    }
}

#[test]
fn oauth_needs_keys_and_an_issuer_with_a_scope() {
    let text = "[pgweir]\nauth_type = \"oauth\"\n";
    check(
        &format!("{text}{REST}"),
        &[
            "pgweir.toml:2: auth_type = oauth: needs keys of tokens: auth_jwks_file or auth_jwt_secret_file",
            "pgweir.toml:2: auth_type = oauth: needs auth_oauth_issuer and auth_oauth_scope, which clients are told",
        ],
    );
    let text = format!("{text}auth_jwt_secret_env = \"JWT_SECRET\"\n");
    let issuer = "auth_oauth_issuer = \"https://id.example.com\"\n";
    for (lines, expected) in [
        (
            issuer,
            "auth_oauth_issuer = https://id.example.com: needs auth_oauth_scope beside it",
        ),
        (
            "auth_oauth_scope = \"db\"\n",
            "auth_oauth_scope = db: needs auth_oauth_issuer beside it",
        ),
        (
            "auth_oauth_issuer = \"http://a\"\nauth_oauth_scope = \"db\"\n",
            "auth_oauth_issuer = http://a: must be an https:// URL: who can change what it answers can let \
             anybody in",
        ),
    ] {
        check(
            &format!("{text}{lines}{REST}"),
            &[&format!("pgweir.toml:4: {expected}")],
        );
    }
    assert!(read(&format!("{text}{issuer}auth_oauth_scope = \"db\"\n{REST}")).is_ok());
}

#[test]
fn rules_are_where_they_are_asked_for() {
    let text = "[pgweir]\nauth_type = \"hba\"\n";
    check(
        &format!("{text}{REST}"),
        &["pgweir.toml:2: auth_type = hba: needs auth_hba_file, which names the file of rules"],
    );
    let text = format!("{text}auth_hba_file = \"hba.conf\"\n");
    check(
        &format!("{text}{REST}"),
        &["hba.conf:1: asks for map=staff, which auth_ident_file does not have"],
    );
    check(
        &format!("{text}auth_ident_file = \"nowhere\"\n{REST}"),
        &[
            "hba.conf:1: asks for map=staff, which auth_ident_file does not have",
            "nowhere: cannot be read: entity not found",
        ],
    );
    let text = format!("{text}auth_ident_file = \"ident.conf\"\n[users.ann]\n[databases.app]\n");
    assert_eq!(
        super::warnings(&text),
        ["hba.conf:3: lets everybody in from any address, who knows the name of a user"]
    );
}

#[test]
fn who_asks_for_members_of_roles_is_named() {
    let text = "[pgweir]\nauth_type = \"hba\"\nauth_hba_file = \"members.conf\"\n";
    check(
        &format!("{text}{REST}"),
        &[
            "members.conf:2: is about the members of a role, which PostgreSQL is asked for; set auth_user",
        ],
    );
    let asking = format!("{text}auth_user = \"bob\"\n{REST}");
    assert!(read(&asking).is_ok());
}

#[test]
fn pam_and_directories_have_what_they_need() {
    check(
        "[pgweir]\nauth_type = \"ldap\"\n[databases.app]\n",
        &["pgweir.toml:2: auth_type = ldap: needs auth_ldap_options, which says where LDAP is"],
    );
    let text = "[pgweir]\nauth_type = \"ldap\"\nauth_ldap_options = 'OPTIONS'\n[databases.app]\n";
    check(
        &text.replace("OPTIONS", "ldapserver=a ldapbindpasswd=pw1234"),
        &[
            "pgweir.toml:3: auth_ldap_options = set: needs ldapbasedn, ldapprefix, ldapsuffix or ldapurl, which say who is who",
        ],
    );
    check(
        "[pgweir]\nauth_type = \"pam\"\nauth_pam_service = \"../x\"\n[databases.app]\n",
        &[
            "pgweir.toml:3: auth_pam_service = ../x: has \"../x\" for a service of PAM, which is the name of a file in /etc/pam.d",
        ],
    );
    // Others say who there is, so that no user needs a section.
    let open = "listen_addr = \"*\"\n[databases.app]\n";
    let far = text.replace("OPTIONS", "ldapserver=x ldapprefix=y");
    assert_eq!(
        super::warnings(&far.replace("[databases.app]\n", open)),
        [
            "pgweir.toml:2: auth_type = ldap: has clients of 0.0.0.0, :: send their passwords in clear text; set client_tls_sslmode = \"require\"",
            "pgweir.toml:3: auth_ldap_options: sends passwords to LDAP at x in clear text; use ldaps, or ldaptls=1",
        ]
    );
    let near = text.replace("OPTIONS", "ldapserver=localhost ldapprefix=y");
    assert_eq!(super::warnings(&near), [""; 0]);
    let pam = "[pgweir]\nauth_type = \"pam\"\n[databases.app]\n";
    assert_eq!(super::warnings(pam), [""; 0]);
}

#[test]
fn without_names_of_clients_each_database_needs_a_user() {
    check(
        "[pgweir]\nauth_type = \"any\"\n[databases.a]\n[databases.b]\nuser = \"bob\"\npassword = \"\"\n",
        &[
            "pgweir.toml:3: databases.a.user: is missing, and auth_type any takes no name from \
           clients; add it",
        ],
    );
}

#[test]
fn a_forced_user_needs_something_to_log_in_with() {
    let add =
        "to log in to PostgreSQL with; add password here (\"\" where PostgreSQL asks for none)";
    let text = format!(
        "[databases.a]\nuser = \"nobody\"\n[databases.b]\nuser = \"kim\"\n[databases.c]\nuser = \"bob\"\n\
         [databases.d]\nuser = \"kim\"\npassword = \"\"\n[databases.e]\npassword = \"{SCRAM}\"\n\
         [users.bob]\npassword = \"x\"\n[users.kim]\npassword = \"{SCRAM}\"\n"
    );
    check(
        &text,
        &[
            &format!("pgweir.toml:2: databases.a.user = nobody: has no password {add}"),
            &format!("pgweir.toml:4: databases.b.user = kim: has only a SCRAM verifier {add}"),
            "pgweir.toml:11: databases.e.password: is a SCRAM verifier, which lets nobody into \
             PostgreSQL; give the plain password",
        ],
    );
}

#[test]
fn a_problem_cannot_steer_the_terminal() {
    let text = format!("[pgweir]\npool_mode = \"\\u001b[2J\"{REST}");
    check(
        &text,
        &["pgweir.toml:2: pool_mode = \\u{1b}[2J: must be one of session, transaction, statement"],
    );
}

#[test]
fn peers_have_numbers_and_one_address_each() {
    check(
        &format!(
            "[pgweir]\npeer_id = 20000\n[peers.0]\nhost = \"a\"\n[peers.x]\n[peers.2]\nhost = \"a,b\"\n\
             prt = 1\n[peers.3]\nhost = \"h\"\nport = 0\npool_size = \"few\"\n{REST}"
        ),
        &[
            "pgweir.toml:2: peer_id = 20000: must be at most 16383; 0 means none",
            "pgweir.toml:3: peers.0: must be a number from 1 to 16383",
            "pgweir.toml:5: peers.x: must be a number from 1 to 16383",
            "pgweir.toml:7: peers.2.host: must be one address or folder",
            "pgweir.toml:8: peers.2.prt: unknown setting; did you mean port?",
            "pgweir.toml:11: peers.3.port: must be a whole number from 1 to 65535",
            "pgweir.toml:12: peers.3.pool_size: must be a whole number of 1 or more",
        ],
    );
}
