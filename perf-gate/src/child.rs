//! A probe that was started, and does what it is told.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use perf_gate::protocol::{CPUS, GREETING, Kind, READY, Slice};

use crate::Result;

/// How long a slice of milliseconds may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Probe {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
    program: String,
}

impl Probe {
    /// Starts `program` on these CPUs, the first being its home, and gives the rows it has.
    pub(crate) fn start(
        program: &Path,
        cpus: (usize, usize),
    ) -> Result<(Self, Vec<(String, Kind)>)> {
        let name = program.display().to_string();
        let mut child = Command::new(program)
            .env(CPUS, format!("{},{}", cpus.0, cpus.1))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name} cannot be started: {error}"))?;
        let (Some(orders), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a child without the pipes that were asked for".into());
        };
        let (send, answers) = channel();
        // A thread of its own, so that waiting for an answer can end. It ends with the child.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(|line| line.ok()) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let mut probe = Self { child, orders, answers, program: name };
        let rows = probe.introduction()?;
        Ok((probe, rows))
    }

    fn introduction(&mut self) -> Result<Vec<(String, Kind)>> {
        let greeting = self.answer("being started")?;
        if greeting != GREETING {
            let program = &self.program;
            return Err(
                format!("{program} says `{greeting}` where a probe says `{GREETING}`").into()
            );
        }
        let mut rows = Vec::new();
        loop {
            let line = self.answer("being started")?;
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [READY] => return Ok(rows),
                ["row", name, kind] => rows.push((name.to_owned(), kind.parse()?)),
                _ => return Err(format!("{} names no row with `{line}`", self.program).into()),
            }
        }
    }

    /// Has a slice of work done, and gives the nanoseconds it took.
    pub(crate) fn work(&mut self, slice: &Slice) -> Result<f64> {
        let order = slice.to_string();
        writeln!(self.orders, "{order}")
            .map_err(|error| format!("{} takes no orders: {error}", self.program))?;
        let answer = self.answer(&order)?;
        answer
            .strip_prefix("took ")
            .and_then(|nanos| nanos.parse().ok())
            .ok_or_else(|| format!("{} answers `{answer}` to `{order}`", self.program).into())
    }

    fn answer(&self, to: &str) -> Result<String> {
        let (program, seconds) = (&self.program, PATIENCE.as_secs());
        self.answers.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                format!("{program} gave no answer to `{to}` within {seconds} s").into()
            }
            RecvTimeoutError::Disconnected => {
                format!("{program} ended without an answer to `{to}`; see what it says by hand")
                    .into()
            }
        })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Both fail only for a child that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
