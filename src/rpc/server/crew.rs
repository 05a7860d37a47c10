//! The threads of a server that belong to no connection: workers, and the watch over those who read.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::sync::{AtomicBool, Ordering};

use super::{super::lock, session::Session};

/// How long a method may keep its connection from being read: between one and two of these.
const TICK: Duration = Duration::from_millis(1);
/// The watch falls asleep after this many ticks without any call.
const QUIET_TICKS: u32 = 2;
/// A worker without work goes home after this; in the tests below, before they have waited long.
const IDLE: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 2000 });

pub(super) type Task = Box<dyn FnOnce() + Send>;

/// Owns the threads: they end when it is closed or dropped.
pub(super) struct Crew(CrewHandle);

/// Gives the threads work.
#[derive(Clone)]
pub(super) struct CrewHandle(Arc<Shared>);

struct Shared {
    workers: Mutex<Workers>,
    work: Condvar,
    watched: Mutex<Watched>,
    watch_needed: Condvar,
    /// Written by the watch, and by whoever wakes it.
    watch_sleeps: AtomicBool,
}

#[derive(Default)]
struct Workers {
    tasks: VecDeque<Task>,
    idle: usize,
    next: u64,
    threads: HashMap<u64, JoinHandle<()>>,
    gone: Vec<u64>,
    closed: bool,
}

#[derive(Default)]
struct Watched {
    // Each session with the turn it was last seen in.
    sessions: Vec<(Arc<Session>, u64)>,
    thread: Option<JoinHandle<()>>,
    closed: bool,
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").finish_non_exhaustive()
    }
}

impl Crew {
    pub(super) fn new() -> Self {
        Self(CrewHandle(Arc::new(Shared {
            workers: Mutex::default(),
            work: Condvar::new(),
            watched: Mutex::default(),
            watch_needed: Condvar::new(),
            watch_sleeps: AtomicBool::new(false),
        })))
    }

    pub(super) fn handle(&self) -> CrewHandle {
        self.0.clone()
    }

    /// Ends the threads once they have done their tasks.
    pub(super) fn close(&self) {
        let shared = &self.0.0;
        let watch = {
            let mut watched = lock(&shared.watched);
            watched.closed = true;
            shared.watch_needed.notify_one();
            watched.thread.take()
        };
        let workers = {
            let mut workers = lock(&shared.workers);
            workers.closed = true;
            shared.work.notify_all();
            std::mem::take(&mut workers.threads)
        };
        for thread in watch.into_iter().chain(workers.into_values()) {
            // A method that drops the last handle of its server is executed by one of these threads.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.close();
    }
}

impl CrewHandle {
    /// Has a worker do `task`.
    ///
    /// # Errors
    /// The task, when there is no worker and none can be had.
    pub(super) fn run(&self, task: Task) -> Result<(), Task> {
        let mut workers = lock(&self.0.workers);
        if workers.closed {
            return Err(task);
        }
        let gone = std::mem::take(&mut workers.gone);
        for id in gone {
            if let Some(thread) = workers.threads.remove(&id) {
                // It has nothing left to do but to return.
                let _ = thread.join();
            }
        }
        workers.tasks.push_back(task);
        if workers.tasks.len() <= workers.idle {
            drop(workers);
            self.0.work.notify_one();
            return Ok(());
        }
        let id = workers.next;
        workers.next += 1;
        let shared = Arc::clone(&self.0);
        let spawned =
            thread::Builder::new().name("rpc-worker".into()).spawn(move || shared.work(id));
        match spawned {
            Ok(thread) => {
                workers.threads.insert(id, thread);
                Ok(())
            }
            Err(_) => workers.tasks.pop_back().map_or(Ok(()), Err),
        }
    }

    /// Keeps an eye on a session, so that no slow method keeps it from being read.
    pub(super) fn watch(&self, session: &Arc<Session>) {
        let mut watched = lock(&self.0.watched);
        let turn = session.turn();
        watched.sessions.push((Arc::clone(session), turn));
        if watched.thread.is_none() && !watched.closed {
            let shared = Arc::clone(&self.0);
            // Without it, the calls of a connection are executed one after the other.
            watched.thread =
                thread::Builder::new().name("rpc-watch".into()).spawn(move || shared.watch()).ok();
        }
    }

    pub(super) fn unwatch(&self, session: &Arc<Session>) {
        lock(&self.0.watched).sessions.retain(|(other, _)| !Arc::ptr_eq(other, session));
    }

    /// Called by whoever begins to execute, after it said so.
    pub(super) fn wake_watch(&self) {
        if self.0.watch_sleeps.load(Ordering::SeqCst) {
            self.0.wake_watch();
        }
    }
}

impl Shared {
    fn work(&self, id: u64) {
        let mut workers = lock(&self.workers);
        loop {
            if let Some(task) = workers.tasks.pop_front() {
                drop(workers);
                // Methods' panics are caught where they can be answered; this keeps the count of workers right.
                let _ = catch_unwind(AssertUnwindSafe(task));
                workers = lock(&self.workers);
                continue;
            }
            if workers.closed {
                return;
            }
            workers.idle += 1;
            let (woken, timeout) =
                self.work.wait_timeout(workers, IDLE).unwrap_or_else(PoisonError::into_inner);
            workers = woken;
            workers.idle -= 1;
            if timeout.timed_out() && workers.tasks.is_empty() {
                workers.gone.push(id);
                return;
            }
        }
    }

    #[cold]
    fn wake_watch(&self) {
        let _watched = lock(&self.watched);
        self.watch_sleeps.store(false, Ordering::SeqCst);
        self.watch_needed.notify_one();
    }

    fn watch(self: Arc<Self>) {
        let mut backlog: VecDeque<Task> = VecDeque::new();
        let crew = CrewHandle(Arc::clone(&self));
        let mut quiet = 0;
        let mut watched = lock(&self.watched);
        while !watched.closed {
            let mut changed = !backlog.is_empty();
            for (session, seen) in &mut watched.sessions {
                let turn = session.turn();
                if turn != *seen {
                    *seen = turn;
                    changed = true;
                } else if let Some(lead) = session.depose(turn) {
                    backlog.push_back(Box::new(lead));
                    changed = true;
                }
            }
            while let Some(task) = backlog.pop_front() {
                if let Err(task) = crew.run(task) {
                    // Tried again at the next tick.
                    backlog.push_front(task);
                    break;
                }
            }
            quiet = if changed { 0 } else { quiet + 1 };
            if quiet < QUIET_TICKS {
                watched = self
                    .watch_needed
                    .wait_timeout(watched, TICK)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                continue;
            }
            quiet = 0;
            self.watch_sleeps.store(true, Ordering::SeqCst);
            if watched.sessions.iter().all(|(session, seen)| session.turn() == *seen) {
                while self.watch_sleeps.load(Ordering::SeqCst) && !watched.closed {
                    watched =
                        self.watch_needed.wait(watched).unwrap_or_else(PoisonError::into_inner);
                }
            }
            self.watch_sleeps.store(false, Ordering::SeqCst);
        }
        drop(watched);
        // A session whose leader was deposed ends only with another, though there was no thread for it.
        for lead in backlog {
            lead();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_worker_without_work_goes_home_and_another_comes_for_the_next_task() {
        let crew = Crew::new();
        let (done, told) = mpsc::channel();
        let mut workers = Vec::new();
        for round in 0..3 {
            let done = done.clone();
            let task: Task = Box::new(move || done.send(thread::current().id()).unwrap());
            assert!(crew.handle().run(task).is_ok());
            workers.push(told.recv().unwrap());
            assert!(!workers[..round].contains(&workers[round]), "the earlier ones are at home");
            while lock(&crew.0.0.workers).gone.is_empty() {
                thread::yield_now();
            }
            assert_eq!(lock(&crew.0.0.workers).threads.len(), 1, "those at home are forgotten");
        }
    }

    #[test]
    fn a_closed_crew_gives_tasks_back_and_has_done_those_it_took() {
        let (done, told) = mpsc::channel();
        let task = |n: u32| -> Task {
            let done = done.clone();
            Box::new(move || done.send(n).unwrap())
        };
        let crew = Crew::new();
        for n in 0..20 {
            assert!(crew.handle().run(task(n)).is_ok());
        }
        crew.close();
        let mut numbers: Vec<_> = told.try_iter().collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..20));
        let Err(refused) = crew.handle().run(task(20)) else { panic!("it has nobody to do it") };
        refused();
        assert_eq!(told.recv(), Ok(20));
    }
}
