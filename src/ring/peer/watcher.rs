//! The one thread that waits for peers to die.
//!
//! It sleeps in `epoll_wait` for as long as every peer lives, starts with the first link, and ends a second
//! after the last one.

use std::{
    collections::BTreeMap,
    os::fd::BorrowedFd,
    ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicPtr, atomic::Ordering},
    time::Duration,
};

use nix::sys::{
    epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    eventfd::{EfdFlags, EventFd},
};

use super::{
    Link,
    link::{Met, Sign},
};
use crate::sys::{fork::Origin, slice, thread};

/// How long the thread stays without a link to watch, so that streams opened in a row share one.
const LINGER_MILLIS: u16 = 1000;
/// How long to wait after a wait that the kernel refused.
const DOZE: Duration = Duration::from_millis(50);
/// Tells the thread that there is nothing left to watch.
const KICK: u64 = u64::MAX;

/// The watcher of this process.
#[derive(Debug)]
pub(super) struct Watcher {
    origin: Origin,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    links: BTreeMap<u64, Weak<Link>>,
    last_id: u64,
    /// What the running thread waits on; `None` while there is no thread.
    running: Option<Arc<Set>>,
}

#[derive(Debug)]
struct Set {
    epoll: Epoll,
    kick: EventFd,
}

/// A link's place with a watcher.
#[derive(Debug)]
pub(super) struct Registration {
    id: u64,
    watcher: &'static Watcher,
}

/// The process's watcher. A forked child makes its own: the parent's thread did not come along, and its lock may have
/// been held at that moment.
static CURRENT: AtomicPtr<Watcher> = AtomicPtr::new(ptr::null_mut());

impl Watcher {
    /// The watcher of this process; made once, and kept until the process ends.
    pub(super) fn here() -> &'static Self {
        loop {
            let current = CURRENT.load(Ordering::Acquire);
            // SAFETY: what was stored there was leaked, and is never freed.
            let watcher = unsafe { current.as_ref() };
            if let Some(watcher) = watcher.filter(|watcher| watcher.origin.is_here()) {
                return watcher;
            }
            let fresh = Box::new(Self { origin: Origin::here(), state: Mutex::default() });
            let fresh = Box::into_raw(fresh);
            if CURRENT
                .compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire)
                .is_err()
            {
                // SAFETY: it was never published.
                drop(unsafe { Box::from_raw(fresh) });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches `link`; `None` if no thread or descriptor can be had for it.
    pub(super) fn watch(&'static self, link: &Arc<Link>) -> Option<Registration> {
        let mut state = self.lock();
        let set = match &state.running {
            Some(set) => set.clone(),
            None => {
                let set = Arc::new(Set::new()?);
                let watched = set.clone();
                thread::spawn(c"ringpipe-watch", move || self.run(&watched))?;
                state.running = Some(set.clone());
                set
            }
        };
        state.last_id += 1;
        let id = state.last_id;
        state.links.insert(id, Arc::downgrade(link));
        for (fd, events, sign) in link.signs() {
            // A peer that has still to say who it is does so by a byte.
            let greeting = EpollFlags::EPOLLIN;
            let events = if link.awaits() { events | greeting } else { events };
            if set.add(fd, events, mark(id, sign)).is_none() {
                state.links.remove(&id);
                link.signs().for_each(|(fd, ..)| set.remove(fd));
                set.end_if_idle(&state.links);
                return None;
            }
        }
        Some(Registration { id, watcher: self })
    }

    fn forget(&self, id: u64, link: &Link) {
        let mut state = self.lock();
        state.links.remove(&id);
        if let Some(set) = &state.running {
            link.signs().for_each(|(fd, ..)| set.remove(fd));
            set.end_if_idle(&state.links);
        }
    }

    fn run(&self, set: &Set) {
        slice::run_at_once();
        let mut events = [EpollEvent::empty(); 16];
        let mut timeout = EpollTimeout::NONE;
        loop {
            let ready = set.epoll.wait(&mut events, timeout).unwrap_or_else(|_| {
                self.look_at_all(set);
                0
            });
            for event in &events[..ready] {
                self.tell(*event, set);
            }
            let mut state = self.lock();
            timeout = EpollTimeout::NONE;
            if state.links.is_empty() {
                if ready == 0 {
                    state.running = None;
                    return;
                }
                timeout = EpollTimeout::from(LINGER_MILLIS);
            }
        }
    }

    /// Should the kernel refuse to wait for good (a filter, say), each link is asked, now and then.
    #[cold]
    fn look_at_all(&self, set: &Set) {
        std::thread::sleep(DOZE);
        let upgraded = |(&id, link): (&u64, &Weak<Link>)| Some((id, link.upgrade()?));
        // As in `tell`: not under the lock.
        let links: Vec<_> = self.lock().links.iter().filter_map(upgraded).collect();
        for (id, link) in links {
            if set.meet(&link, id) || link.is_hung_up() {
                link.peer_died();
            }
        }
    }

    fn tell(&self, event: EpollEvent, set: &Set) {
        let mark = event.data();
        if mark == KICK {
            let _ = set.kick.read();
            return;
        }
        // The lock is gone before the link is told, or dropped here as the last one that held it.
        let link = self.lock().links.get(&(mark / 2)).and_then(Weak::upgrade);
        let Some(link) = link else { return };
        if !is_greeting(event) || set.meet(&link, mark / 2) {
            link.peer_died();
        }
    }
}

/// What an event is known by: whose sign it is, and which.
fn mark(id: u64, sign: Sign) -> u64 {
    2 * id + sign as u64
}

/// Whether it is a byte on the socket, and neither its end nor that of the process.
fn is_greeting(event: EpollEvent) -> bool {
    event.data() % 2 == Sign::Socket as u64 && event.events() == EpollFlags::EPOLLIN
}

impl Registration {
    /// Forgets a link that is about to close its descriptors. A copy that `fork` made belongs to the parent's watcher, whose
    /// lock and whose descriptors are none of the child's business.
    pub(super) fn cancel(self, link: &Link) {
        if self.watcher.origin.is_here() {
            self.watcher.forget(self.id, link);
        }
    }
}

impl Set {
    fn new() -> Option<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).ok()?;
        let kick = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).ok()?;
        epoll.add(&kick, EpollEvent::new(EpollFlags::EPOLLIN, KICK)).ok()?;
        Some(Self { epoll, kick })
    }

    /// Edge-triggered, because once is enough.
    fn add(&self, fd: BorrowedFd<'_>, sign: EpollFlags, id: u64) -> Option<()> {
        self.epoll.add(fd, EpollEvent::new(sign | EpollFlags::EPOLLET, id)).ok()
    }

    /// Hears who the peer is, and waits for the end of that process from now on; gives whether it has ended already.
    fn meet(&self, link: &Link, id: u64) -> bool {
        let met = link.meet();
        if let Met::Process(pidfd) = met {
            // Without it the socket tells, as long as nobody else has it.
            let _ = self.add(pidfd, EpollFlags::EPOLLIN, mark(id, Sign::Process));
        }
        matches!(met, Met::Dead)
    }

    /// Has the thread look whether it is still needed, if there is nothing to watch.
    fn end_if_idle(&self, links: &BTreeMap<u64, Weak<Link>>) {
        if links.is_empty() {
            let _ = self.kick.write(1);
        }
    }

    fn remove(&self, fd: BorrowedFd<'_>) {
        let _ = self.epoll.delete(fd);
    }
}
