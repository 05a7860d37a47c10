//! Filters that a process may live under, from its beginning.

use std::fmt;

use libc::{EAGAIN, ENOPROTOOPT, ENOSYS, EPERM};

use crate::filter::{self, Only, Rule};

/// A filter, by what it takes away.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) without: &'static str,
    pub(crate) errno: i32,
    rules: fn() -> Vec<Rule>,
}

/// Who lives in the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inmates {
    /// The process that the operation is tried in.
    One,
    /// Its peer as well.
    Both,
}

/// `SO_PASSPIDFD` of `<asm-generic/socket.h>`.
const SO_PASSPIDFD: u32 = 76;

pub(crate) const SANDBOXES: &[Sandbox] = &[
    Sandbox {
        without: "shared futexes",
        errno: EPERM,
        rules: || vec![Rule { call: libc::SYS_futex, only: crate::calls::SHARED_FUTEX }],
    },
    Sandbox { without: "memfd", errno: ENOSYS, rules: || every(&[libc::SYS_memfd_create]) },
    Sandbox {
        without: "pidfds",
        errno: ENOPROTOOPT,
        rules: || {
            let pass = Rule { call: libc::SYS_setsockopt, only: Only::Equal(2, &[SO_PASSPIDFD]) };
            let mut rules = every(&[libc::SYS_pidfd_open, libc::SYS_pidfd_send_signal]);
            rules.push(pass);
            rules
        },
    },
    Sandbox { without: "membarrier", errno: ENOSYS, rules: || every(&[libc::SYS_membarrier]) },
    Sandbox {
        without: "threads",
        errno: EAGAIN,
        rules: || {
            let thread = Only::AnyBit(0, libc::CLONE_THREAD as u32);
            vec![Rule { call: libc::SYS_clone, only: thread }]
        },
    },
    Sandbox { without: "epoll", errno: ENOSYS, rules: || every(&[libc::SYS_epoll_create1]) },
    Sandbox { without: "eventfd", errno: ENOSYS, rules: || every(&[libc::SYS_eventfd2]) },
    Sandbox { without: "fallocate", errno: ENOSYS, rules: || every(&[libc::SYS_fallocate]) },
    Sandbox { without: "random numbers", errno: ENOSYS, rules: || every(&[libc::SYS_getrandom]) },
];

fn every(calls: &[libc::c_long]) -> Vec<Rule> {
    calls.iter().map(|call| Rule::every(*call)).collect()
}

impl Sandbox {
    /// Shuts the calling thread in, with whatever it starts.
    pub(crate) fn enter(&self) {
        let mut program = filter::filter(&(self.rules)(), filter::failing(self.errno));
        filter::install(&mut program, 0).unwrap();
        // No filter can see what this one is asked for, so sandboxes have the C library take the older one.
        let mut newer = filter::filter(&every(&[libc::SYS_clone3]), filter::failing(ENOSYS));
        filter::install(&mut newer, 0).unwrap();
    }
}

impl fmt::Display for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "without {}", self.without)
    }
}
