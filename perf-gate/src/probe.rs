//! Makes a program into a probe.

use std::{
    env, fmt,
    io::{self, BufRead, Write},
    process::ExitCode,
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::time::ClockId;

use crate::{
    cpus,
    protocol::{CPUS, GREETING, Kind, READY, Slice},
};

/// Does so and so many operations.
type Work = Box<dyn FnMut(u64)>;

/// Rows to measure, each of them an operation that can be done any number of times.
///
/// A row is made when it is first asked for, and kept: its second slice finds what the first one left. What an operation gets
/// has to be checked by it, or the fastest build is the one that does nothing.
///
/// ```no_run
/// use perf_gate::Probe;
///
/// fn main() -> std::process::ExitCode {
///     let mut probe = Probe::new();
///     probe.alone("sort/1000", || {
///         let words: Vec<u32> = (0..1000u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
///         move |operations| {
///             for _ in 0..operations {
///                 let mut words = words.clone();
///                 words.sort_unstable();
///                 assert!(words[0] <= words[999]);
///             }
///         }
///     });
///     probe.serve()
/// }
/// ```
///
/// Started by hand, a probe takes two words: `probe ROW OPERATIONS` does that and ends, for a profiler to look at.
#[derive(Default)]
pub struct Probe {
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    kind: Kind,
    make: Box<dyn Fn() -> Work>,
    /// Once it was asked for.
    work: Option<Work>,
}

impl Probe {
    /// Without rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A row for one thread: nothing in it waits, sleeps, or needs a second CPU.
    ///
    /// # Panics
    /// If there is a row of that name, or there is a space in it.
    pub fn alone<W: FnMut(u64) + 'static>(
        &mut self,
        name: &'static str,
        make: impl Fn() -> W + 'static,
    ) {
        self.add(name, Kind::Alone, make);
    }

    /// A row that works together with a thread on another CPU, which [`partner`] starts. Between two calls of the work the
    /// partner has to sleep, or it takes the CPU away from the other probe.
    ///
    /// # Panics
    /// As [`alone`](Self::alone).
    pub fn pair<W: FnMut(u64) + 'static>(
        &mut self,
        name: &'static str,
        make: impl Fn() -> W + 'static,
    ) {
        self.add(name, Kind::Pair, make);
    }

    fn add<W: FnMut(u64) + 'static>(
        &mut self,
        name: &'static str,
        kind: Kind,
        make: impl Fn() -> W + 'static,
    ) {
        assert!(!name.contains(char::is_whitespace), "a row's name is one word, not `{name}`");
        assert!(self.rows.iter().all(|row| row.name != name), "there are two rows `{name}`");
        self.rows.push(Row { name, kind, make: Box::new(move || Box::new(make())), work: None });
    }

    /// Does what the command line says, or else what comes on the standard input, until that ends. The exit code is the
    /// program's.
    #[must_use]
    pub fn serve(mut self) -> ExitCode {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let served = match &arguments[..] {
            [] => self.answer(io::stdin().lock(), io::stdout().lock()),
            [row, operations] => self.once(row, operations),
            _ => Err(io::Error::other("two words, ROW and OPERATIONS, or none")),
        };
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("probe: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn once(&mut self, row: &str, operations: &str) -> io::Result<()> {
        let operations = operations
            .parse()
            .map_err(|_| io::Error::other(format!("`{operations}` is no number of operations")))?;
        self.row(row)?.work()(operations);
        Ok(())
    }

    fn answer(&mut self, orders: impl BufRead, mut answers: impl Write) -> io::Result<()> {
        if let Some(cpu) = assigned(Place::Home) {
            cpus::pin(cpu)?;
        }
        writeln!(answers, "{GREETING}")?;
        for row in &self.rows {
            writeln!(answers, "row {} {}", row.name, row.kind)?;
        }
        writeln!(answers, "{READY}")?;
        answers.flush()?;
        for order in orders.lines() {
            let slice: Slice = order?.parse().map_err(io::Error::other)?;
            let row = self.row(&slice.row)?;
            let clock = clock_for(row.kind);
            let work = row.work();
            work(slice.unmeasured);
            let start = now(clock)?;
            work(slice.measured);
            let took = now(clock)? - start;
            writeln!(answers, "took {}", took.as_nanos())?;
            answers.flush()?;
        }
        Ok(())
    }

    fn row(&mut self, name: &str) -> io::Result<&mut Row> {
        let names: Vec<&str> = self.rows.iter().map(|row| row.name).collect();
        let none = format!("there is no row `{name}`, but {}", names.join(", "));
        self.rows.iter_mut().find(|row| row.name == name).ok_or_else(|| io::Error::other(none))
    }
}

impl Row {
    fn work(&mut self) -> &mut Work {
        self.work.get_or_insert_with(&self.make)
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rows.iter().map(|row| (row.name, row.kind))).finish()
    }
}

/// Starts the other thread of a [`pair`](Probe::pair), on the CPU that the driver has given it.
///
/// # Panics
/// If the system has no thread left, or refuses the CPU.
pub fn partner<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::spawn(move || {
        if let Some(cpu) = assigned(Place::Partner) {
            cpus::pin(cpu).expect("the driver gives CPUs that may be used");
        }
        run()
    })
}

/// One thread is measured by the time that it had a CPU: what others do there meanwhile is none of its. Two threads wait for
/// each other, and only the time that passes tells how long.
fn clock_for(kind: Kind) -> ClockId {
    match kind {
        Kind::Alone => ClockId::CLOCK_THREAD_CPUTIME_ID,
        Kind::Pair => ClockId::CLOCK_MONOTONIC,
    }
}

fn now(clock: ClockId) -> io::Result<Duration> {
    Ok(clock.now()?.into())
}

/// Which of the two CPUs.
#[derive(Clone, Copy)]
enum Place {
    Home,
    Partner,
}

/// The CPU that the driver has given; none without a driver.
fn assigned(place: Place) -> Option<usize> {
    let cpus = env::var(CPUS).ok()?;
    let (home, partner) = cpus.split_once(',')?;
    match place {
        Place::Home => home,
        Place::Partner => partner,
    }
    .parse()
    .ok()
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    fn counting() -> (Probe, Rc<Cell<u64>>) {
        let (count, made) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let seen = count.clone();
        let mut probe = Probe::new();
        probe.alone("count", move || {
            made.set(made.get() + 1);
            assert_eq!(made.get(), 1, "a row is made once");
            let count = count.clone();
            move |operations| count.set(count.get() + operations)
        });
        probe.pair("idle", || |_| {});
        (probe, seen)
    }

    #[test]
    fn a_probe_names_its_rows_and_does_what_it_is_told() {
        let (mut probe, count) = counting();
        let mut answers = Vec::new();
        probe.answer(&b"do count 5 100\ndo count 0 1\n"[..], &mut answers).unwrap();
        let answers = String::from_utf8(answers).unwrap();
        assert!(
            answers.starts_with("perf-probe 1\nrow count alone\nrow idle pair\nready\ntook "),
            "{answers}"
        );
        assert_eq!((answers.lines().count(), count.get()), (6, 106));
    }

    #[test]
    fn a_row_that_is_not_there_is_answered_with_those_that_are() {
        let (mut probe, _) = counting();
        let error = probe.answer(&b"do cuont 1 1\n"[..], &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "there is no row `cuont`, but count, idle");
        assert!(probe.once("count", "x").is_err());
    }

    #[test]
    #[should_panic(expected = "there are two rows `count`")]
    fn no_two_rows_have_one_name() {
        counting().0.alone("count", || |_| {});
    }
}
