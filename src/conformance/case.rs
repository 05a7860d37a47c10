//! What every case works with: fresh pairs, calls in the background, and a step that a hang is reported with.

use std::{
    fmt::Debug,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    rng::Rng,
    rules::{Rules, WriteReturns},
    suite::{Hooks, Make},
};
use crate::ends::{ReadEnd, WriteEnd};

/// How a case ends: with nothing to say, or with what was seen and what was expected.
pub(super) type Verdict = Result<(), String>;

/// Ends the case with a message unless the condition holds.
macro_rules! check {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
pub(super) use check;

/// Whether a case applies, and if not, why not.
pub(super) type Needs<R, W> = fn(&Cx<R, W>) -> Option<&'static str>;

/// One rule of the suite.
pub(super) struct Case<R, W> {
    pub(super) id: &'static str,
    pub(super) says: &'static str,
    pub(super) needs: Needs<R, W>,
    pub(super) run: fn(&Cx<R, W>) -> Verdict,
}

impl<R, W> Case<R, W> {
    pub(super) fn new(
        id: &'static str,
        says: &'static str,
        needs: Needs<R, W>,
        run: fn(&Cx<R, W>) -> Verdict,
    ) -> Self {
        Self { id, says, needs, run }
    }
}

/// The world of one running case.
pub(super) struct Cx<R, W> {
    pub(super) make: Make<R, W>,
    pub(super) rules: Rules,
    pub(super) hooks: Hooks<R, W>,
    /// How often a case repeats what depends on the order of threads.
    pub(super) rounds: u32,
    pub(super) seed: u64,
    pub(super) step: Arc<Mutex<String>>,
    pub(super) note: Arc<Mutex<String>>,
}

impl<R, W> Clone for Cx<R, W> {
    fn clone(&self) -> Self {
        Self {
            make: Arc::clone(&self.make),
            rules: self.rules.clone(),
            hooks: self.hooks.clone(),
            rounds: self.rounds,
            seed: self.seed,
            step: Arc::clone(&self.step),
            note: Arc::clone(&self.note),
        }
    }
}

impl<R: ReadEnd + 'static, W: WriteEnd + 'static> Cx<R, W> {
    /// A fresh pipe.
    pub(super) fn pair(&self) -> Result<(R, W), String> {
        (self.make)().map_err(|error| format!("the pair could not be made: {error}"))
    }

    /// Says what the case does next, so that a hang is reported as more than a hang.
    pub(super) fn step(&self, step: impl Into<String>) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = step.into();
    }

    /// Says in the report how much was tried.
    pub(super) fn note(&self, note: impl Into<String>) {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = note.into();
    }

    /// Random numbers of round `round`.
    pub(super) fn rng(&self, round: u32) -> Rng {
        Rng::new(self.seed.wrapping_add(u64::from(round)))
    }

    /// What is certainly accepted while nobody reads; without a buffer a size for blocked writes.
    pub(super) fn capacity(&self) -> usize {
        self.rules.capacity().unwrap_or(4096)
    }

    /// Writes until nothing more is accepted, and says how many bytes of the pattern that were.
    pub(super) fn fill(&self, writer: &mut W) -> Result<u64, String> {
        let mut filled = 0u64;
        loop {
            let chunk = super::rng::pattern(self.seed, filled, 4096);
            match writer.try_write(&chunk) {
                Ok(n) if n == 0 || n > chunk.len() => {
                    return Err(format!("try_write of 4096 bytes answered Ok({n})"));
                }
                Ok(n) => filled += n as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(filled),
                Err(error) => return Err(format!("try_write while filling: {error}")),
            }
            check!(filled < 1 << 30, "a gigabyte was accepted while nobody read");
        }
    }

    /// A number of bytes that no buffer of this transport takes in without a reader.
    pub(super) fn too_much(&self) -> Result<usize, String> {
        if self.rules.capacity().is_none() || self.rules.capacity_is_exact() {
            return Ok(self.capacity() * 4);
        }
        let (_reader, mut writer) = self.pair()?;
        Ok(self.fill(&mut writer)? as usize * 4)
    }

    /// Fills what buffer there is, so that the next write blocks.
    pub(super) fn block_writes(&self, writer: &mut W) -> Result<u64, String> {
        match self.rules.write_returns {
            WriteReturns::Consumed => Ok(0),
            WriteReturns::Buffered { .. } => self.fill(writer),
        }
    }
}

/// The result of a read in the background, with the end back.
#[derive(Debug)]
pub(super) struct Did<E, T> {
    pub(super) end: E,
    pub(super) result: io::Result<T>,
}

/// What a call in the background returned, for a message.
pub(super) trait Show {
    fn show(&self) -> String;
}

impl<E, T: Debug> Show for Did<E, T> {
    fn show(&self) -> String {
        format!("{:?}", self.result)
    }
}

impl<T: Debug> Show for io::Result<T> {
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl Show for () {
    fn show(&self) -> String {
        "()".into()
    }
}

impl Show for Verdict {
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

/// A call on a thread of its own.
pub(super) struct Call<T> {
    what: String,
    begun: mpsc::Receiver<()>,
    answer: mpsc::Receiver<T>,
}

impl<T: Send + 'static> Call<T> {
    pub(super) fn start(
        what: impl Into<String>,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Self, String> {
        let what = what.into();
        let (begin, begun) = mpsc::channel::<()>();
        let (send, answer) = mpsc::channel();
        thread::Builder::new()
            .name(what.chars().take(15).collect())
            .spawn(move || {
                // Dropping it is the signal, which is heard as often as asked.
                drop(begin);
                // The case may have failed already and gone; then nobody wants the answer.
                let _ = send.send(call());
            })
            .map_err(|error| format!("no thread for {what}: {error}"))?;
        Ok(Self { what, begun, answer })
    }

    /// Waits for the answer; the watchdog of the case ends a wait that never ends.
    pub(super) fn wait(self) -> Result<T, String> {
        self.answer.recv().map_err(|_| format!("{} panicked", self.what))
    }

    /// The answer, if it is there by now.
    pub(super) fn poll(&self) -> Result<Option<T>, String> {
        match self.answer.try_recv() {
            Ok(answer) => Ok(Some(answer)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(format!("{} panicked", self.what)),
        }
    }

    /// Looks for a few milliseconds whether the call returned, which it must not have done.
    ///
    /// Nothing that would let it return has happened yet, so this holds in every order of the threads: a slow
    /// machine can only hide a fault here, never make one up. It also makes it likely that the call is really blocked
    /// when this returns; no case relies on that.
    pub(super) fn quiet(&self, because: &str) -> Verdict
    where
        T: Show,
    {
        // An error, since nothing is ever sent: the thread runs, and the call is its next step.
        let _ = self.begun.recv();
        let until = Instant::now() + SETTLE;
        loop {
            if let Some(answer) = self.poll()? {
                return Err(format!("{} returned {} although {because}", self.what, answer.show()));
            }
            if Instant::now() >= until {
                return Ok(());
            }
            thread::sleep(Duration::from_micros(200));
        }
    }
}

/// How long a call is watched that must not return.
const SETTLE: Duration = Duration::from_millis(3);

/// Reads at most `len` bytes.
pub(super) fn read(reader: &mut impl io::Read, len: usize) -> io::Result<Vec<u8>> {
    filled(len, |buf| reader.read(buf))
}

/// Reads at most `len` bytes without blocking.
pub(super) fn try_read(reader: &mut impl ReadEnd, len: usize) -> io::Result<Vec<u8>> {
    filled(len, |buf| reader.try_read(buf))
}

fn filled(len: usize, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<Vec<u8>> {
    let mut buf = vec![0; len];
    let n = read(&mut buf)?;
    if n > len {
        return Err(io::Error::other(format!("a read into {len} bytes answered Ok({n})")));
    }
    buf.truncate(n);
    Ok(buf)
}

/// Reads exactly `len` bytes in pieces of at most `piece`.
pub(super) fn read_exactly(
    reader: &mut impl io::Read,
    len: usize,
    piece: usize,
) -> Result<Vec<u8>, String> {
    let mut all = Vec::with_capacity(len);
    while all.len() < len {
        let want = piece.min(len - all.len());
        match read(reader, want) {
            Ok(bytes) if bytes.is_empty() => {
                return Err(format!("the stream ended after {} of {len} bytes", all.len()));
            }
            Ok(bytes) => all.extend(bytes),
            Err(error) => {
                return Err(format!("read failed after {} of {len} bytes: {error}", all.len()));
            }
        }
    }
    Ok(all)
}

/// Reads until the stream ends, one way or the other.
pub(super) fn read_until_end(
    reader: &mut impl io::Read,
    piece: usize,
) -> (Vec<u8>, io::Result<Vec<u8>>) {
    let mut all = Vec::new();
    loop {
        match read(reader, piece) {
            Ok(bytes) if !bytes.is_empty() => all.extend(bytes),
            end => return (all, end),
        }
    }
}

/// A read in the background.
pub(super) fn reading<R: ReadEnd + 'static>(
    mut end: R,
    len: usize,
) -> Result<Call<Did<R, Vec<u8>>>, String> {
    Call::start("the read", move || {
        let result = read(&mut end, len);
        Did { end, result }
    })
}

/// A write in the background.
pub(super) fn writing<W: WriteEnd + 'static>(
    mut end: W,
    bytes: Vec<u8>,
) -> Result<Call<Did<W, usize>>, String> {
    Call::start("the write", move || {
        let result = end.write(&bytes);
        Did { end, result }
    })
}

/// Fails unless `got` is `want`, and shows where they part.
pub(super) fn same_bytes(what: &str, got: &[u8], want: &[u8]) -> Verdict {
    if got == want {
        return Ok(());
    }
    let at = got
        .iter()
        .zip(want)
        .position(|(got, want)| got != want)
        .unwrap_or(got.len().min(want.len()));
    Err(format!(
        "{what}: {} bytes came, {} were expected, they differ from byte {at} on",
        got.len(),
        want.len()
    ))
}

/// Fails unless `got` is `Ok(want)`.
pub(super) fn is_ok(what: &str, got: &io::Result<usize>, want: usize) -> Verdict {
    match got {
        Ok(n) if *n == want => Ok(()),
        other => Err(format!("{what} answered {other:?} instead of Ok({want})")),
    }
}

/// Fails unless `got` is exactly these bytes.
pub(super) fn is_bytes(what: &str, got: &io::Result<Vec<u8>>, want: &[u8]) -> Verdict {
    match got {
        Ok(bytes) => same_bytes(what, bytes, want),
        Err(error) => Err(format!("{what} failed with {error:?} instead of {} bytes", want.len())),
    }
}
