//! Bodies of messages from either side: views stay inside their bounds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgweir_wire::backend::{self, AuthRequest, ErrorView, MECHANISMS_MAX};
use pgweir_wire::frontend;

fuzz_target!(|data: &[u8]| {
    let _ = backend::ready_status(data);
    let _ = backend::parameter_status(data);
    if let Some((_, key)) = backend::key_data(data) {
        assert!((4..=256).contains(&key.len()));
    }
    if let Some(AuthRequest::Sasl { mechanisms }) = AuthRequest::parse(data) {
        assert!(mechanisms.len() <= MECHANISMS_MAX);
    }
    let error = ErrorView::parse(data);
    assert!(error.message().len() <= backend::ERROR_MESSAGE_MAX);
    assert!((1..=64).contains(&error.severity().len()));
    if let Some(code) = error.sqlstate() {
        assert_eq!(code.as_str().as_bytes(), code.0);
    }
    let _ = frontend::parse_name(data);
    let _ = frontend::bind_statement(data);
    let _ = frontend::target(data);
});
