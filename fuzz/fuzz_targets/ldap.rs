//! Whatever a directory sends is a response or none, and whatever an operator writes is a filter or none.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgweir_wire::ldap::{Filter, Scope, Search, bind_name, frame, response, search};

fuzz_target!(|input: (&[u8], &str, &str)| {
    let (bytes, text, user) = input;
    if let Ok(Some(len)) = frame(bytes) {
        let _ = response(&bytes[..len]);
    }
    if let Ok(filter) = Filter::parse(text) {
        let wanted = Search { base: text, scope: Scope::Sub, filter: &filter, user, seconds_max: 1 };
        let mut out = Vec::new();
        search(&mut out, 1, &wanted);
        assert!(!out.is_empty());
    }
    bind_name(text, user, text);
});
