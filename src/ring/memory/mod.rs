//! Where the bytes lie: sealed anonymous files, and the mappings of them.

pub(crate) mod compact;
pub(crate) mod mapping;
pub(crate) mod object;
pub(crate) mod page;
pub(crate) mod split;
