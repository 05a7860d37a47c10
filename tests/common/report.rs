//! How many cases a test ran: on the screen, so that an empty run cannot pass for one, and as a record for the long tier.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::{env, fmt::Write as _, fs::OpenOptions, io::Write, time::Instant};

/// Collects what a test has to say, and says it on [`done`](Self::done).
#[derive(Debug)]
pub struct Report {
    id: &'static str,
    what: &'static str,
    start: Instant,
    fields: Vec<(&'static str, String)>,
}

impl Report {
    /// `id` names the row of the programme, `what` the unit that is counted.
    pub fn new(id: &'static str, what: &'static str) -> Self {
        Self { id, what, start: Instant::now(), fields: Vec::new() }
    }

    /// Adds a number that belongs to the result.
    pub fn field(&mut self, name: &'static str, value: impl ToString) -> &mut Self {
        self.fields.push((name, value.to_string()));
        self
    }

    /// Says how many cases there were, of which at least `least` must have been, or as many fewer as `RINGPIPE_SCALE` says.
    ///
    /// The record goes to the file that `RINGPIPE_RESULTS` names, as one line of JSON.
    pub fn done(&self, cases: u64, least: u64) {
        let seconds = self.start.elapsed().as_secs_f64();
        let mut line = format!("{}: {cases} {} in {seconds:.1} s", self.id, self.what);
        let mut record = format!(
            r#"{{"id":"{}","what":"{}","cases":{cases},"seconds":{seconds:.1}"#,
            self.id, self.what
        );
        for (name, value) in &self.fields {
            let _ = write!(line, ", {name} {value}");
            let _ = write!(record, r#","{name}":{value}"#);
        }
        println!("{line}");
        let least = (least as f64 * scale().min(1.0)) as u64;
        assert!(
            cases >= least.max(1),
            "{}: {cases} {}, at least {least} wanted",
            self.id,
            self.what
        );
        if let Ok(path) = env::var("RINGPIPE_RESULTS") {
            let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
            writeln!(file, "{record}}}").unwrap();
        }
    }
}

/// `ci` cases, or as many times more as `RINGPIPE_SCALE` says for the long tier.
pub fn scaled(ci: u64) -> u64 {
    (ci as f64 * scale()).ceil() as u64
}

fn scale() -> f64 {
    env::var("RINGPIPE_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1.0)
}
