//! pgweir pool.
