//! pgweir proxy.
