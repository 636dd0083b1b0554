//! pgweir sim.
