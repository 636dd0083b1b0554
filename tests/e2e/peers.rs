//! Several processes on one port, and cancel requests that come to another one than their client's.

use pgweir_e2e::{Batch, Client, Config, Pooler, Role, Signal, Target, free_port, psql, shared};
use pgweir_wire::backend::NOTIFICATION_RESPONSE;
use tempfile::TempDir;

use crate::cancel::wait_until_active;

/// Poolers on one port, each with a unix socket in a folder of its own.
struct Group {
    poolers: Vec<Pooler>,
    folders: Vec<TempDir>,
}

impl Group {
    /// Starts as many as there are configurations; each knows the others as peers, numbered from 1.
    fn start(configs: &[Config]) -> Self {
        let folders: Vec<TempDir> = configs.iter().map(|_| folder()).collect();
        let port = free_port();
        let numbered = || (1u16..).zip(&folders);
        let poolers = numbered().zip(configs).map(|((own, folder), config)| {
            let config = config
                .clone()
                .set("listen_port", port)
                .set("so_reuseport", true)
                .set("peer_id", own)
                .set("unix_socket_dir", &path(folder));
            let others = numbered().filter(|(number, _)| *number != own);
            Pooler::start(&others.fold(config, |config, (number, folder)| {
                config
                    .peer(number, "host", &path(folder))
                    .peer(number, "port", port)
            }))
        });
        Self {
            poolers: poolers.collect(),
            folders,
        }
    }

    /// The pooler at this place alone.
    fn target(&self, role: &Role, at: usize) -> Target {
        role.through(&self.poolers[at])
            .host(&path(&self.folders[at]))
    }
}

fn folder() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("pgweir-e2e-").tempdir_in("/tmp").unwrap()
}

fn path(folder: &TempDir) -> String {
    folder.path().display().to_string()
}

/// A query of the client is cancelled by a request at another address.
#[track_caller]
fn is_cancelled_at(client: &mut Client, role: &Role, target: &Target) {
    client.send(Batch::new().query("select pg_sleep(60)").bytes());
    wait_until_active(role);
    client.cancel_at(target);
    assert_eq!(client.until_ready().to_string(), "T E(57014) ZI");
}

#[test]
fn a_cancel_request_finds_its_client_in_whichever_process_it_is() {
    for mode in ["transaction", "session"] {
        let role = shared().role();
        let config = role
            .config()
            .set("pool_mode", mode)
            .set("stats_users", role.name.as_str());
        let group = Group::start(&[config.clone(), config.clone(), config]);
        let targets = [0, 1, 2].map(|at| group.target(&role, at));
        for minor in [0, 2] {
            let (mut client, _) = Client::log_in_asking(&targets[0], minor, &[]);
            assert_eq!(client.key.len(), if minor == 0 { 4 } else { 32 });
            for target in &targets {
                is_cancelled_at(&mut client, &role, target);
            }
            // What it is told of itself is what it knows itself by.
            client.query("listen news").success();
            let heard = client.query("notify news").messages;
            let mut heard = heard.iter();
            let heard = heard.find(|message| message.kind == NOTIFICATION_RESPONSE);
            let sender = &heard.expect("its own").body[..4];
            assert_eq!(sender, client.pid.to_be_bytes());
        }
        let mut admin = Client::log_in(&targets[1].clone().database("pgbouncer"));
        let peers = admin.query("SHOW PEERS").success().rows();
        assert_eq!(peers.len(), 2);
        assert_eq!(admin.query("SHOW PEER_POOLS").rows().len(), 2);
    }
}

#[test]
fn connections_to_the_shared_port_come_to_all_processes() {
    let role = shared().role();
    let config = role.config();
    let group = Group::start(&[config.clone(), config]);
    let target = role.through(&group.poolers[0]);
    let mut clients = Vec::new();
    for _ in 0..64 {
        clients.push(Client::log_in(&target));
        if group
            .poolers
            .iter()
            .all(|pooler| pooler.logged("login attempt") > 0)
        {
            break;
        }
    }
    for pooler in &group.poolers {
        assert!(pooler.logged("login attempt") > 0);
    }
    // A cancel request comes to either of them, and finds its client.
    let mut client = clients.pop().unwrap();
    for _ in 0..8 {
        is_cancelled_at(&mut client, &role, &target);
    }
    assert_eq!(psql(&target, "select 1").out, "1");
}

#[test]
fn a_request_that_its_peer_cannot_have_is_over_and_cancels_nothing() {
    let role = shared().role();
    let mut group = Group::start(&[role.config(), role.config()]);
    let [own, other] = [0, 1].map(|at| group.target(&role, at));
    let mut client = Client::log_in(&other);
    let mut gone = Client::log_in(&own);
    // Of a process that is gone the other says that it cannot be reached, once.
    (gone.pid, gone.key) = (client.pid, client.key.clone());
    gone.key[3] ^= 0x80;
    gone.cancel_at(&own);
    assert_eq!(client.value("select 1"), "1");
    drop(client);
    group.poolers[1].signal(Signal::TERM);
    group.poolers[1].wait();
    gone.cancel_at(&own);
    gone.cancel_at(&own);
    group.poolers[0].has_logged("a cancel request did not reach its peer", 1);
    assert_eq!(gone.value("select 1"), "1");
}
