//! Counts the system calls of one thread, exactly: the kernel asks a second thread before each, which counts it and lets it
//! go on. Nothing is emulated and nothing refused, so what is counted is what really happens.

use std::{
    collections::BTreeMap,
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    thread,
};

use libc::{BPF_K, BPF_RET, sock_filter, sock_fprog};

/// How often each system call was made, by its number.
pub(crate) type Calls = BTreeMap<i32, u64>;

/// Switches the counting on and off, without a system call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    on: Arc<AtomicBool>,
    calls: Arc<Mutex<Calls>>,
}

impl Meter {
    /// What `work` asks the kernel for, on this thread.
    pub(crate) fn count(&self, work: impl FnOnce()) -> Calls {
        self.on.store(true, Ordering::SeqCst);
        work();
        self.on.store(false, Ordering::SeqCst);
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

/// The listener is not there yet; the kernel has refused it.
const WAITING: RawFd = -1;
const REFUSED: RawFd = -2;

/// Runs `work` on a thread whose system calls can be counted; `None` where the kernel does not offer that.
pub(crate) fn watched<T: Send + 'static>(
    work: impl FnOnce(&Meter) -> T + Send + 'static,
) -> Option<T> {
    let (meter, listener) = (Meter::default(), Arc::new(AtomicI32::new(WAITING)));
    let (told, subject) = (listener.clone(), meter.clone());
    let watched = thread::spawn(move || match install() {
        Ok(fd) => {
            // From here on every system call of this thread waits for the watcher, which must not have to be woken by one.
            told.store(fd, Ordering::SeqCst);
            Some(work(&subject))
        }
        Err(error) => {
            eprintln!("skipped: the kernel counts no system calls for us: {error}");
            told.store(REFUSED, Ordering::SeqCst);
            None
        }
    });
    let fd = loop {
        match listener.load(Ordering::SeqCst) {
            WAITING => thread::yield_now(),
            fd => break fd,
        }
    };
    if fd != REFUSED {
        // SAFETY: `install` has just made it, and nobody else owns it.
        watch(&unsafe { OwnedFd::from_raw_fd(fd) }, &meter);
    }
    watched.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Has every system call of this thread, and of those it starts, announced at the descriptor that is given.
fn install() -> io::Result<RawFd> {
    let step = sock_filter {
        code: (BPF_RET | BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_USER_NOTIF,
    };
    let mut filter = [step];
    let program = sock_fprog { len: 1, filter: filter.as_mut_ptr() };
    // SAFETY: the program lives until it is installed.
    let fd = unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(fd as RawFd) }
}

/// Counts and lets pass until the watched thread has ended.
fn watch(listener: &OwnedFd, meter: &Meter) {
    loop {
        let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, which outlives the call.
        unsafe { libc::poll(&raw mut poll, 1, -1) };
        if poll.revents & libc::POLLIN == 0 {
            if poll.revents & libc::POLLHUP != 0 {
                return;
            }
            continue;
        }
        // SAFETY: all zeros are a request that asks for nothing, which is how the kernel wants it.
        let mut call: libc::seccomp_notif = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: the kernel fills in one request.
        let got = unsafe {
            libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call)
        };
        if got != 0 {
            // The thread went away between the two calls.
            continue;
        }
        if meter.on.load(Ordering::SeqCst) {
            *meter.calls.lock().unwrap().entry(call.data.nr).or_default() += 1;
        }
        let answer = libc::seccomp_notif_resp {
            id: call.id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        // SAFETY: the kernel reads one answer. It may fail if the thread was killed, and then nobody waits for it.
        unsafe {
            libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const answer)
        };
    }
}
