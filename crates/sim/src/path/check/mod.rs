//! The rules of the data path, one file each. They panic.

pub(super) mod bounded;
pub(super) mod heard;
pub(super) mod hygiene;
pub(super) mod isolation;
pub(super) mod live;
pub(super) mod over;
pub(super) mod punctual;
pub(super) mod queue;
pub(super) mod reject;
pub(super) mod rest;
pub(super) mod still;
pub(super) mod tables;
pub(super) mod transparent;
