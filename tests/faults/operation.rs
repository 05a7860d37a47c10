//! What is done while something goes wrong.

use std::io;

use crate::scene::Scene;

/// Something that is done.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) work: fn(&mut Scene) -> io::Result<()>,
}

impl Operation {
    /// Whether the test itself starts a thread for it.
    pub(crate) fn needs_threads(&self) -> bool {
        ["a ring between threads", "closing and deadlines"].contains(&self.name)
    }

    /// Whether a call is the library's own: the standard library relies on its word with a child that it starts.
    pub(crate) fn makes(&self, call: &str) -> bool {
        !(self.name.starts_with("handing over") && call == "recvfrom")
    }
}

pub(crate) const fn operation(
    name: &'static str,
    work: fn(&mut Scene) -> io::Result<()>,
) -> Operation {
    Operation { name, work }
}
