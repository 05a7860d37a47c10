//! Makes chosen system calls of this process fail, without anything of the process knowing.
//!
//! A filter hands every call of [`CALLS`] to a thread that is not under it (`SECCOMP_RET_USER_NOTIF`, Linux 5.5). That
//! thread counts, and either lets the kernel go on with a call or answers in its place. While it answers, the caller may hold
//! any lock of the process, that of the allocator too, so it takes none and allocates nothing.

use std::{
    fmt, io, mem,
    sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::SeqCst},
    thread::{self, Thread},
};

use crate::{
    arming,
    calls::{CALLS, rules},
    filter,
};

/// One fault: the `nth` call, counted from 1, fails with `errno`, and so does every later one if it is `forever`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Injection {
    /// Its place in [`CALLS`].
    pub(crate) call: usize,
    pub(crate) nth: u32,
    pub(crate) errno: i32,
    pub(crate) forever: bool,
}

impl Injection {
    pub(crate) fn to_words(self) -> String {
        format!("fault {} {} {} {}", self.call, self.nth, self.errno, self.forever)
    }

    pub(crate) fn from_words(call: &str, nth: &str, errno: &str, forever: &str) -> Self {
        Self {
            call: call.parse().unwrap(),
            nth: nth.parse().unwrap(),
            errno: errno.parse().unwrap(),
            forever: forever.parse().unwrap(),
        }
    }

    /// Whether it explains a failure with `code`.
    pub(crate) fn explains(self, code: i32) -> bool {
        let call = CALLS[self.call].name;
        let connects = |errno| call == "connect" && self.errno == errno;
        code == self.errno
            // No room in a listener's queue within the time is a timeout.
            || connects(libc::EAGAIN) && code == libc::ETIMEDOUT
            // Whoever wanted the path was quicker, or still has it.
            || (connects(libc::ENOENT) || connects(libc::EAGAIN)) && code == libc::EADDRINUSE
    }

    fn strikes(self, call: usize, count: u32) -> bool {
        call == self.call && (count == self.nth || self.forever && count > self.nth)
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = nix::errno::Errno::from_raw(self.errno);
        let from = if self.forever { "from" } else { "at" };
        write!(f, "{error:?} {from} {} {}", CALLS[self.call].name, self.nth)
    }
}

/// Most faults of one case.
pub(crate) const MOST: usize = 2;

static PLAN: [Slot; MOST] = [const { Slot::new() }; MOST];
static COUNTS: [AtomicU32; CALLS.len()] = [const { AtomicU32::new(0) }; CALLS.len()];
static HITS: AtomicU32 = AtomicU32::new(0);
static LISTENER: AtomicI32 = AtomicI32::new(-1);

/// An [`Injection`] that a thread may read while it holds no lock.
struct Slot {
    call: AtomicU32,
    nth: AtomicU32,
    errno: AtomicI32,
    forever: AtomicBool,
}

impl Slot {
    const fn new() -> Self {
        Self {
            call: AtomicU32::new(u32::MAX),
            nth: AtomicU32::new(0),
            errno: AtomicI32::new(0),
            forever: AtomicBool::new(false),
        }
    }

    fn set(&self, injection: Injection) {
        self.call.store(injection.call as u32, SeqCst);
        self.nth.store(injection.nth, SeqCst);
        self.errno.store(injection.errno, SeqCst);
        self.forever.store(injection.forever, SeqCst);
    }

    fn get(&self) -> Injection {
        Injection {
            call: self.call.load(SeqCst) as usize,
            nth: self.nth.load(SeqCst),
            errno: self.errno.load(SeqCst),
            forever: self.forever.load(SeqCst),
        }
    }
}

/// The thread that decides, before there is anything to decide.
#[derive(Debug)]
pub(crate) struct Injector(Thread);

impl Injector {
    /// Starts the thread; it stays until the process ends.
    pub(crate) fn new(plan: &[Injection]) -> Self {
        assert!(plan.len() <= MOST);
        for (slot, injection) in PLAN.iter().zip(plan) {
            slot.set(*injection);
        }
        let decider = thread::Builder::new().name("decider".into()).spawn(|| {
            let listener = loop {
                match LISTENER.load(SeqCst) {
                    -1 => thread::park(),
                    listener => break listener,
                }
            };
            decide_all(listener);
        });
        Self(decider.unwrap().thread().clone())
    }

    /// Puts the calling thread and whatever it starts from now on under the filter.
    pub(crate) fn install(&self) -> io::Result<()> {
        let mut filter = filter::filter(&rules(), libc::SECCOMP_RET_USER_NOTIF);
        let listener = filter::install(&mut filter, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)?;
        LISTENER.store(listener, SeqCst);
        self.0.unpark();
        Ok(())
    }
}

/// How many calls were made to fail.
pub(crate) fn hits() -> u32 {
    HITS.load(SeqCst)
}

/// How often each call was made while armed, by its place in [`CALLS`].
pub(crate) fn counts() -> impl Iterator<Item = (usize, u32)> {
    COUNTS.iter().map(|count| count.load(SeqCst)).enumerate().filter(|(_, count)| *count != 0)
}

fn decide_all(listener: i32) {
    loop {
        // SAFETY: the kernel wants it zeroed, and all of it are numbers.
        let mut asked: libc::seccomp_notif = unsafe { mem::zeroed() };
        // SAFETY: the structure is what the call fills in.
        if unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked) } != 0 {
            continue;
        }
        let (error, flags) = match decide(&asked) {
            Some(errno) => (-errno, 0),
            None => (0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
        };
        let answer = libc::seccomp_notif_resp { id: asked.id, val: 0, error, flags };
        // SAFETY: the structure is what the call reads. It fails for a caller that was killed meanwhile.
        unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const answer) };
    }
}

/// The error to answer with.
fn decide(asked: &libc::seccomp_notif) -> Option<i32> {
    if !arming::is_armed() || !is_own(asked.pid) {
        return None;
    }
    let call = CALLS.iter().position(|call| call.number == libc::c_long::from(asked.data.nr))?;
    let count = COUNTS[call].fetch_add(1, SeqCst) + 1;
    let strike = PLAN.iter().map(Slot::get).find(|injection| injection.strikes(call, count))?;
    HITS.fetch_add(1, SeqCst);
    Some(strike.errno)
}

/// Whether a thread belongs to this process, and not to a child of it, which is under the same filter.
fn is_own(thread: u32) -> bool {
    let mut path = *b"/proc/self/task/\0\0\0\0\0\0\0\0\0\0\0\0";
    let (mut digits, mut left) = (0, thread);
    while digits == 0 || left != 0 {
        digits += 1;
        left /= 10;
    }
    let mut left = thread;
    for at in (0..digits).rev() {
        path[16 + at] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    // SAFETY: the path ends with a zero.
    unsafe { libc::access(path.as_ptr().cast(), libc::F_OK) == 0 }
}
