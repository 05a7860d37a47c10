//! Choosing, running and watching over the cases.

use std::{
    fmt,
    io::{self, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    case::{Case, Cx, Verdict},
    cases,
    report::{Outcome, Report, Row},
    rules::Rules,
};
use crate::ends::{ReadEnd, WriteEnd};

/// Makes a fresh pipe.
pub(super) type Make<R, W> = Arc<dyn Fn() -> io::Result<(R, W)> + Send + Sync>;

/// Interrupts the system call of the thread it was made on.
pub type Interrupt = Box<dyn Fn() + Send>;

/// A reading end that many threads use at once.
pub(super) trait SharedRead: Send + Sync {
    fn read(&self, buf: &mut [u8]) -> io::Result<usize>;
}

impl<T: Send + Sync> SharedRead for T
where
    for<'a> &'a T: Read,
{
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut end = self;
        Read::read(&mut end, buf)
    }
}

/// A writing end that many threads use at once.
pub(super) trait SharedWrite: Send + Sync {
    fn write(&self, buf: &[u8]) -> io::Result<usize>;
}

impl<T: Send + Sync> SharedWrite for T
where
    for<'a> &'a T: Write,
{
    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        let mut end = self;
        Write::write(&mut end, buf)
    }
}

/// Kills the process that holds an end.
type Kill<E> = Arc<dyn Fn(&E) + Send + Sync>;
type ShareReader<R> = fn(R) -> Arc<dyn SharedRead>;
type ShareWriter<W> = fn(W) -> Arc<dyn SharedWrite>;

/// What only some transports can do, or only the caller can arrange.
pub(super) struct Hooks<R, W> {
    pub(super) share: Option<(ShareReader<R>, ShareWriter<W>)>,
    pub(super) kill_reader: Option<Kill<R>>,
    pub(super) kill_writer: Option<Kill<W>>,
    pub(super) interrupt: Option<fn() -> Interrupt>,
}

impl<R, W> Clone for Hooks<R, W> {
    fn clone(&self) -> Self {
        Self {
            share: self.share,
            kill_reader: self.kill_reader.clone(),
            kill_writer: self.kill_writer.clone(),
            interrupt: self.interrupt,
        }
    }
}

/// The suite over one transport: what it is, and how hard to try.
///
/// ```
/// use ringpipe::conformance::{Suite, model::Model};
///
/// let model = Model::buffered(64);
/// let rules = model.rules();
/// let report = Suite::new("a plain buffered pipe", rules, move || Ok(model.pair()))
///     .only("close.table")
///     .run();
/// println!("{report}");
/// report.verdict().unwrap();
/// ```
pub struct Suite<R, W> {
    name: String,
    rules: Rules,
    make: Make<R, W>,
    hooks: Hooks<R, W>,
    only: Vec<String>,
    watchdog: Duration,
    rounds: u32,
    seed: u64,
    jobs: usize,
}

impl<R, W> fmt::Debug for Suite<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("name", &self.name)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl<R: ReadEnd + 'static, W: WriteEnd + 'static> Suite<R, W> {
    /// The suite for the pipes that `make` makes, held to `rules`.
    pub fn new(
        name: impl Into<String>,
        rules: Rules,
        make: impl Fn() -> io::Result<(R, W)> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            rules,
            make: Arc::new(make),
            hooks: Hooks { share: None, kill_reader: None, kill_writer: None, interrupt: None },
            only: Vec::new(),
            watchdog: Duration::from_secs(60),
            rounds: 40,
            seed: 0x5eed,
            jobs: thread::available_parallelism().map_or(2, usize::from),
        }
    }

    /// Parallel callers are built in: `Read for &R` and `Write for &W` are held to the rules too.
    ///
    /// Without this only the gate (see [`Gate`](crate::Gate)) is.
    #[must_use]
    pub fn parallel(mut self) -> Self
    where
        R: Sync,
        W: Sync,
        for<'a> &'a R: Read,
        for<'a> &'a W: Write,
    {
        self.hooks.share = Some((|reader| Arc::new(reader), |writer| Arc::new(writer)));
        self
    }

    /// The reading end lives in a process of its own, and this kills that process.
    #[must_use]
    pub fn kill_reader_by(mut self, kill: impl Fn(&R) + Send + Sync + 'static) -> Self {
        self.hooks.kill_reader = Some(Arc::new(kill));
        self
    }

    /// The writing end lives in a process of its own, and this kills that process.
    #[must_use]
    pub fn kill_writer_by(mut self, kill: impl Fn(&W) + Send + Sync + 'static) -> Self {
        self.hooks.kill_writer = Some(Arc::new(kill));
        self
    }

    /// How to interrupt a system call: `prepare` runs on the thread to be disturbed, what it returns disturbs it.
    ///
    /// On Unix: a signal whose handler does nothing and was installed without `SA_RESTART`.
    #[must_use]
    pub fn interrupt_by(mut self, prepare: fn() -> Interrupt) -> Self {
        self.hooks.interrupt = Some(prepare);
        self
    }

    /// Runs only cases whose id starts with `prefix`; may be given more than once.
    #[must_use]
    pub fn only(mut self, prefix: impl Into<String>) -> Self {
        self.only.push(prefix.into());
        self
    }

    /// After how long a case that has not ended counts as hung. 60 seconds if not set.
    ///
    /// A hung case cannot be stopped: its threads stay until the process ends.
    #[must_use]
    pub fn watchdog(mut self, limit: Duration) -> Self {
        self.watchdog = limit;
        self
    }

    /// How often a case repeats what depends on the order of threads. 40 if not set.
    #[must_use]
    pub fn rounds(mut self, rounds: u32) -> Self {
        self.rounds = rounds.max(1);
        self
    }

    /// Where the random sizes and sequences start. The same seed gives the same ones.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many cases run at the same time. As many as there are processors if not set.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.max(1);
        self
    }

    /// The id and the sentence of every case.
    pub fn cases() -> Vec<(&'static str, &'static str)> {
        cases::all::<R, W>().iter().map(|case| (case.id, case.says)).collect()
    }

    /// Runs the cases, each on a thread of its own under the watchdog.
    ///
    /// # Blocking
    /// Until every case has ended or counts as hung.
    pub fn run(&self) -> Report {
        let chosen: Vec<_> = cases::all::<R, W>()
            .into_iter()
            .filter(|case| {
                self.only.is_empty() || self.only.iter().any(|prefix| case.id.starts_with(prefix))
            })
            .collect();
        let next = Mutex::new(chosen.iter().enumerate());
        let rows = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..self.jobs.min(chosen.len()) {
                scope.spawn(|| {
                    loop {
                        let case = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((at, case)) = case else {
                            return;
                        };
                        let row = self.watch(case);
                        rows.lock().unwrap_or_else(PoisonError::into_inner).push((at, row));
                    }
                });
            }
        });
        let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
        rows.sort_by_key(|(at, _)| *at);
        Report {
            transport: self.name.clone(),
            rows: rows.into_iter().map(|(_, row)| row).collect(),
        }
    }

    fn watch(&self, case: &Case<R, W>) -> Row {
        let started = Instant::now();
        let step = Arc::new(Mutex::new(String::new()));
        let cx = Cx {
            make: Arc::clone(&self.make),
            rules: self.rules.clone(),
            hooks: self.hooks.clone(),
            rounds: self.rounds,
            seed: self.seed,
            step: Arc::clone(&step),
            note: Arc::default(),
        };
        let note = Arc::clone(&cx.note);
        let outcome = match (case.needs)(&cx) {
            Some(why) => Outcome::NotApplicable(why),
            None => self.under_watch(case.run, cx, &step),
        };
        Row {
            id: case.id,
            says: case.says,
            outcome,
            note: note.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            took: started.elapsed(),
        }
    }

    fn under_watch(
        &self,
        run: fn(&Cx<R, W>) -> Verdict,
        cx: Cx<R, W>,
        step: &Mutex<String>,
    ) -> Outcome {
        let (send, ended) = mpsc::channel();
        let spawned = thread::Builder::new().name("case".into()).spawn(move || {
            let verdict = catch_unwind(AssertUnwindSafe(|| run(&cx)));
            // Nobody listens any more when the case has counted as hung.
            let _ = send.send(verdict.unwrap_or_else(|_| Err("the case panicked".into())));
        });
        if let Err(error) = spawned {
            return Outcome::Failed(format!("no thread for the case: {error}"));
        }
        let seen = || {
            let step = step.lock().unwrap_or_else(PoisonError::into_inner);
            if step.is_empty() { String::new() } else { format!(" [{step}]") }
        };
        match ended.recv_timeout(self.watchdog) {
            Ok(Ok(())) => Outcome::Passed,
            Ok(Err(why)) => Outcome::Failed(why + &seen()),
            Err(RecvTimeoutError::Timeout) => {
                Outcome::Failed(format!("hung: not ended after {:?}{}", self.watchdog, seen()))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Outcome::Failed("the case's thread vanished".into())
            }
        }
    }
}
