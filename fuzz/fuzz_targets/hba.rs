//! Rules and maps of an operator are read or refused, and whatever they are, a client is judged.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pgweir_config::Outside;
use pgweir_config::access::{Attempt, Channel, Peer, Replication};
use pgweir_config::hba::Hba;
use pgweir_config::ident::IdentMaps;

fuzz_target!(|input: (&str, &str, &str, u32)| {
    let (text, user, database, address) = input;
    let outside = Outside {
        variable: &|_| None,
        file: &|_| Ok(text.to_owned()),
        folder: &|_| Ok(vec!["a.conf".to_owned()]),
        is_open: &|_| false,
        is_shared: &|_| false,
        token_secret: &|_| Ok(()),
        token_set: &|_| Ok(()),
        pem: &|_| Ok(()),
        tls: &|_, _| Ok(()),
    };
    let mut problems = Vec::new();
    let hba = Hba::read(Path::new("f"), &outside, &mut problems);
    let maps = IdentMaps::read(Path::new("f"), &outside, &mut problems);
    for peer in [Peer::Tcp(std::net::IpAddr::V4(address.into())), Peer::Unix(Some(0))] {
        let channel = Channel::in_the_clear(peer);
        let attempt = Attempt {
            user,
            database,
            replication: Replication::No,
            channel: &channel,
            networks: &|| Vec::new(),
            is_member: &|role| (!role.is_empty()).then_some(role < user),
        };
        if let Ok(demand) = hba.demand(&attempt) {
            maps.allows(demand.map, database, user);
        }
    }
});
