use super::*;

use std::net::TcpStream;

fn cluster(options: &ClusterOptions) -> Cluster {
    let postgres = Postgres::find_or_install(&mut |step| eprintln!("{step}")).unwrap();
    Cluster::start(&postgres, options).unwrap()
}

fn accepts(cluster: &Cluster) -> bool {
    TcpStream::connect(("127.0.0.1", cluster.port())).is_ok()
}

#[test]
fn a_cluster_runs_restarts_and_leaves_nothing() {
    let mut cluster = cluster(&ClusterOptions {
        settings: vec![("max_connections".to_owned(), "7".to_owned())],
        hba: vec!["host all trusted 127.0.0.1/32 trust".to_owned()],
    });
    let (folder, port) = (cluster.socket_dir().to_owned(), cluster.port());
    assert!(accepts(&cluster));
    assert!(folder.join(format!(".s.PGSQL.{port}")).exists());
    assert!(!folder.join("password").exists());

    cluster.stop().unwrap();
    assert_eq!(cluster.pid(), None);
    assert!(!accepts(&cluster));
    cluster.stop().unwrap();

    cluster.restart().unwrap();
    let pid = cluster.pid().unwrap();
    assert_eq!(cluster.port(), port);
    assert!(accepts(&cluster));
    cluster.restart().unwrap();
    assert_ne!(cluster.pid(), Some(pid));
    assert!(accepts(&cluster));

    drop(cluster);
    assert!(!folder.exists());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_setting_that_postgres_refuses_is_reported_from_its_log() {
    let postgres = Postgres::find_or_install(&mut |step| eprintln!("{step}")).unwrap();
    let options = ClusterOptions {
        settings: vec![("no_such_setting".to_owned(), "it's".to_owned())],
        hba: Vec::new(),
    };
    let error = Cluster::start(&postgres, &options).unwrap_err();
    let ClusterError::Ended(log) = error else {
        panic!("{error}");
    };
    assert!(log.contains("no_such_setting"), "{log}");
}

#[test]
fn settings_are_quoted_and_the_callers_come_last() {
    let options = ClusterOptions {
        settings: vec![("fsync".to_owned(), "o'n".to_owned())],
        hba: Vec::new(),
    };
    let text = settings(Path::new("/tmp/x"), &options);
    assert!(text.contains("unix_socket_directories = '/tmp/x'\n"));
    assert!(text.ends_with("fsync = 'o''n'\n"));
}

#[test]
fn only_the_running_server_is_ready() {
    let text = "12\n/data\n1\n5432\n/tmp\nlocalhost\n  5 6\nready   \n";
    assert!(lock_file_says_ready(text, Some(12)));
    assert!(!lock_file_says_ready(text, Some(13)));
    assert!(!lock_file_says_ready(
        &text.replace("ready", "starting"),
        Some(12)
    ));
    assert!(!lock_file_says_ready("12\n/data\n", Some(12)));
    assert!(!lock_file_says_ready("", None));
}

#[test]
fn tails_are_short() {
    let text: String = (0..100).map(|n| format!("{n}\n")).collect();
    assert_eq!(tail(&text).lines().count(), TAIL_LINES);
    assert!(tail(&text).ends_with("99"));
    assert_eq!(tail(""), "");
}
