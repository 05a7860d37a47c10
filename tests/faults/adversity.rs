//! What goes wrong in a case.

use std::fmt;

use crate::{
    calls::CALLS,
    injector::Injection,
    limits::Limit,
    sandbox::{Inmates, SANDBOXES, Sandbox},
};

/// What a case has to bear.
#[derive(Clone, Debug)]
pub(crate) enum Adversity {
    /// These calls fail.
    Faults(Vec<Injection>),
    /// There is only so much of something.
    Limit(Limit),
    /// A filter of system calls.
    Sandbox(&'static Sandbox, Inmates),
}

impl Adversity {
    /// Nothing goes wrong, and the calls are counted.
    pub(crate) fn none() -> Self {
        Self::Faults(Vec::new())
    }

    /// Whether an error with `code` may come of it.
    pub(crate) fn explains(&self, code: i32) -> bool {
        match self {
            Self::Faults(plan) => plan.iter().any(|injection| injection.explains(code)),
            Self::Limit(limit) => limit.explains(code),
            Self::Sandbox(sandbox, _) => code == sandbox.errno,
        }
    }

    /// Whether the undoing of `call` was made to fail, so that what it would undo stays.
    pub(crate) fn spoils(&self, call: &str) -> bool {
        self.faults().iter().any(|injection| CALLS[injection.call].name == call)
    }

    /// Whether that is so for good.
    pub(crate) fn spoils_for_good(&self, call: &str) -> bool {
        let fails = |injection: &&Injection| CALLS[injection.call].name == call;
        self.faults().iter().find(fails).is_some_and(|injection| injection.forever)
    }

    pub(crate) fn faults(&self) -> &[Injection] {
        if let Self::Faults(plan) = self { plan } else { &[] }
    }

    /// Words from which [`from_words`](Self::from_words) makes it again, in another process.
    pub(crate) fn to_words(&self) -> String {
        match self {
            Self::Faults(plan) => {
                plan.iter().map(|injection| injection.to_words()).collect::<Vec<_>>().join(" ")
            }
            Self::Limit(limit) => format!("limit {}", limit.to_words()),
            Self::Sandbox(sandbox, inmates) => {
                let place = SANDBOXES.iter().position(|one| one.without == sandbox.without);
                format!("sandbox {} {}", place.unwrap(), *inmates == Inmates::Both)
            }
        }
    }

    pub(crate) fn from_words(words: &[&str]) -> Self {
        match words {
            ["limit", what, n] => Self::Limit(Limit::from_words(what, n)),
            ["sandbox", place, both] => {
                let sandbox = &SANDBOXES[place.parse::<usize>().unwrap()];
                let inmates = if *both == "true" { Inmates::Both } else { Inmates::One };
                Self::Sandbox(sandbox, inmates)
            }
            faults => Self::Faults(
                faults
                    .chunks(5)
                    .map(|fault| match fault {
                        ["fault", call, nth, errno, forever] => {
                            Injection::from_words(call, nth, errno, forever)
                        }
                        other => panic!("unknown words {other:?}"),
                    })
                    .collect(),
            ),
        }
    }
}

impl fmt::Display for Adversity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faults(plan) => plan.iter().enumerate().try_for_each(|(at, injection)| {
                f.write_str(if at == 0 { "" } else { ", " })?;
                injection.fmt(f)
            }),
            Self::Limit(limit) => limit.fmt(f),
            Self::Sandbox(sandbox, inmates) => write!(f, "{sandbox} for {inmates:?}"),
        }
    }
}
