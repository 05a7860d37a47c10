//! One meeting of a victim with a peer that a test plays by hand.

use std::{
    fs,
    os::unix::net::UnixStream,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use ringpipe::{Error, Options, Stream};

use crate::wire::{self, GREETING, HELLO, WELCOME};

/// Cases so far, of all tests of this file.
pub(crate) static CASES: AtomicU64 = AtomicU64::new(0);

/// One test at a time: they count descriptors.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which side the victim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Accepts,
    Connects,
}

pub(crate) const ROLES: [Role; 2] = [Role::Accepts, Role::Connects];

/// What the test plays.
pub(crate) struct Caller {
    pub(crate) socket: UnixStream,
    /// The kind of greeting that the victim waits for.
    pub(crate) kind: u32,
    /// The nonce that a welcome must repeat.
    pub(crate) answered: [u8; 16],
}

/// What must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Stream,
    Refused,
    Timeout,
    /// The kernel's word, whatever it is.
    Os,
    /// Any of these, and nothing else.
    Anything,
}

fn options() -> Options {
    Options::new().capacity(4096).handshake_timeout(Duration::from_secs(20))
}

/// Meets, expects, and asserts that no descriptor is left. Gives the text of the error.
pub(crate) fn case(
    role: Role,
    name: &str,
    expect: Expect,
    act: impl FnOnce(&mut Caller),
) -> String {
    let options = match expect {
        // A short time where it must run out.
        Expect::Timeout => options().handshake_timeout(Duration::from_millis(60)),
        _ => options(),
    };
    case_with(&options, role, name, expect, act)
}

pub(crate) fn case_with(
    options: &Options,
    role: Role,
    name: &str,
    expect: Expect,
    act: impl FnOnce(&mut Caller),
) -> String {
    CASES.fetch_add(1, Relaxed);
    let before = descriptors();
    let met = meet(options, role, act);
    let got = match &met {
        Ok(_) => Expect::Stream,
        Err(Error::Refused(_)) => Expect::Refused,
        Err(Error::Timeout) => Expect::Timeout,
        Err(Error::Os { .. }) => Expect::Os,
        Err(error) => panic!("{role:?} {name}: {error:?}"),
    };
    let text = met.as_ref().err().map(ToString::to_string).unwrap_or_default();
    assert!(expect == Expect::Anything || got == expect, "{role:?} {name}: {got:?} {text}");
    assert!(met.is_ok() || text.len() > 10, "{role:?} {name}: an error without words: {text}");
    drop(met);
    // The thread that watches for deaths may hold the last one for a moment longer.
    let end = Instant::now() + Duration::from_secs(20);
    while descriptors() != before {
        assert!(
            Instant::now() < end,
            "{role:?} {name}: {} descriptors left",
            descriptors() - before
        );
        thread::yield_now();
    }
    text
}

fn meet(options: &Options, role: Role, act: impl FnOnce(&mut Caller)) -> Result<Stream, Error> {
    let (there, here) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        let victim = scope.spawn(move || match role {
            Role::Accepts => options.accept_on(there),
            Role::Connects => options.connect_on(there),
        });
        let mut caller = Caller { socket: here, kind: HELLO, answered: [0; 16] };
        if role == Role::Connects {
            let mut hello = [0; GREETING];
            let (n, fds) = wire::receive(&caller.socket, &mut hello).unwrap();
            assert_eq!((n, fds.len()), (GREETING, 3));
            caller.kind = WELCOME;
            caller.answered.copy_from_slice(&hello[0x28..0x38]);
        }
        act(&mut caller);
        let met = victim.join().unwrap();
        if role == Role::Accepts && matches!(met, Err(Error::Refused(_))) {
            expect_refusal(&caller.socket);
        }
        met
    })
}

/// Who accepts and refuses says so, if anybody still listens.
fn expect_refusal(socket: &UnixStream) {
    let mut refusal = [0; GREETING];
    if let Ok((GREETING, fds)) = wire::receive(socket, &mut refusal) {
        assert!(fds.is_empty());
        assert_eq!(u32::from_le_bytes(refusal[0x14..0x18].try_into().unwrap()), wire::REFUSAL);
        let mut signed = refusal;
        wire::sign(&mut signed);
        assert_eq!(signed, refusal);
        assert_ne!(refusal[0x48], 0, "a refusal without a reason");
    }
}

/// How many descriptors this process has, but for those of the thread that watches for deaths.
fn descriptors() -> usize {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.filter(|target| !target.to_string_lossy().starts_with("anon_inode:[event")).count()
}
