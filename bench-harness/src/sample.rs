//! One sample: warm up until three windows agree, then measure windows until the time of the sample is used.

use std::time::Duration;

use crate::{
    case::Scenario,
    control::{Facts, Part, Usage},
    pattern::Fault,
    stats::{
        agree,
        percentile::{Buckets, buckets, merge},
    },
};

/// Three windows in a row within this share of each other count as warm.
const AGREEMENT: f64 = 0.05;
/// A window shorter than this says more about its start than about the transport.
const SHORTEST_WINDOW: Duration = Duration::from_millis(2);
/// How many windows the warm-up and the measurement each are made of, at most and about.
const WARMUP_WINDOWS: u32 = 8;
const MEASURED_WINDOWS: u32 = 4;
/// The first window; small enough for a transport that takes a millisecond for each message.
const FIRST_COUNT: u64 = 16;

/// How long a sample may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Effort {
    pub(crate) warmup: Duration,
    pub(crate) measure: Duration,
}

impl Effort {
    /// Divides the time of a sample: a fifth to warm up.
    pub(crate) fn of(slot: Duration) -> Self {
        Self { warmup: slot / 5, measure: slot * 4 / 5 }
    }
}

/// Why there is no sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stop {
    /// The transport cannot run here.
    Unavailable(String),
    /// It ran and broke, or did not answer in time.
    Failed(String),
    /// The user ended the run.
    Interrupted,
}

/// Both sides of one window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    pub(crate) initiator: Part,
    /// `None` where there is no other side.
    pub(crate) responder: Option<Part>,
}

impl Window {
    /// From the first byte sent to the last byte verified.
    fn elapsed_ns(&self) -> u64 {
        let end = self.responder.as_ref().map_or(0, |part| part.end_ns).max(self.initiator.end_ns);
        end.saturating_sub(self.initiator.start_ns).max(1)
    }
}

/// Two peers with a transport between them.
pub(crate) trait Session {
    /// What the transport said when it was set up.
    fn facts(&self) -> Facts;

    /// Lets both sides exchange `count` messages.
    ///
    /// # Errors
    /// The session is over after an error.
    fn window(&mut self, count: u64) -> Result<Window, Stop>;
}

/// What one row did in one round.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// Nanoseconds of a round trip (median), or bytes a second.
    pub(crate) value: f64,
    pub(crate) messages: u64,
    pub(crate) elapsed_ns: u64,
    pub(crate) initiator: Usage,
    pub(crate) responder: Usage,
    /// Messages compared byte by byte, warm-up included.
    pub(crate) verified: u64,
    pub(crate) fault: Option<Fault>,
    pub(crate) latencies: Buckets,
    /// Whether the warm-up came to rest.
    pub(crate) settled: bool,
    pub(crate) facts: Facts,
}

/// Takes one sample of `session`.
pub(crate) fn take(
    session: &mut dyn Session,
    scenario: Scenario,
    size: usize,
    effort: Effort,
) -> Result<Sample, Stop> {
    let mut sample = Sample { facts: session.facts(), ..Sample::default() };
    let per_message = warm_up(session, scenario, effort.warmup, &mut sample)?;
    let mut parts = Vec::new();
    let target = (effort.measure / MEASURED_WINDOWS).max(SHORTEST_WINDOW);
    let mut per_message = per_message;
    while sample.fault.is_none() && sample.elapsed_ns < effort.measure.as_nanos() as u64 {
        let left = effort.measure.saturating_sub(Duration::from_nanos(sample.elapsed_ns));
        let count = fitting(target.min(left.max(SHORTEST_WINDOW)), per_message);
        let window = session.window(count)?;
        note(&window, &mut sample);
        sample.messages += count;
        sample.elapsed_ns += window.elapsed_ns();
        per_message = window.elapsed_ns() as f64 / count as f64;
        add(&mut sample.initiator, window.initiator.usage);
        add(&mut sample.responder, window.responder.map_or(Usage::default(), |part| part.usage));
        parts.push(window.initiator.latencies);
    }
    match scenario {
        Scenario::Pingpong | Scenario::Paced | Scenario::IdleWake | Scenario::Setup => {
            let merged = merge(&parts).map_err(|error| Stop::Failed(error.to_string()))?;
            sample.value = merged.value_at_quantile(0.5) as f64;
            sample.latencies = buckets(&merged);
        }
        Scenario::Stream => {
            let bytes = sample.messages as f64 * size as f64;
            sample.value = bytes * 1e9 / sample.elapsed_ns.max(1) as f64;
        }
    }
    Ok(sample)
}

/// Runs windows until three agree or `time` is used; gives the nanoseconds of a message.
fn warm_up(
    session: &mut dyn Session,
    scenario: Scenario,
    time: Duration,
    sample: &mut Sample,
) -> Result<f64, Stop> {
    let target = (time / WARMUP_WINDOWS).max(SHORTEST_WINDOW);
    let mut used = Duration::ZERO;
    let mut count = FIRST_COUNT;
    let mut last: Vec<f64> = Vec::new();
    loop {
        let window = session.window(count)?;
        note(&window, sample);
        let elapsed = Duration::from_nanos(window.elapsed_ns());
        used += elapsed;
        let per_message = elapsed.as_nanos() as f64 / count as f64;
        if elapsed >= SHORTEST_WINDOW {
            last.push(typical(&window, scenario, per_message));
        }
        sample.settled = last.len() >= 3 && agree(&last[last.len() - 3..], AGREEMENT);
        if sample.settled || sample.fault.is_some() || used >= time {
            return Ok(per_message);
        }
        // A first, cold window is a poor guess, so growth is bounded.
        count = fitting(target, per_message).min(count * 16);
    }
}

/// What is compared between windows: the median where latencies are known, else the mean.
fn typical(window: &Window, scenario: Scenario, mean: f64) -> f64 {
    if scenario != Scenario::Pingpong {
        return mean;
    }
    merge([&window.initiator.latencies]).map_or(mean, |merged| merged.value_at_quantile(0.5) as f64)
}

/// How many messages of `per_message` nanoseconds fill `time`.
fn fitting(time: Duration, per_message: f64) -> u64 {
    (time.as_nanos() as f64 / per_message.max(0.01)).ceil().max(1.0) as u64
}

fn note(window: &Window, sample: &mut Sample) {
    for part in [Some(&window.initiator), window.responder.as_ref()].into_iter().flatten() {
        sample.verified += part.verified;
        if sample.fault.is_none() {
            sample.fault.clone_from(&part.fault);
        }
    }
}

fn add(total: &mut Usage, part: Usage) {
    total.cpu_ns += part.cpu_ns;
    total.pacing_ns += part.pacing_ns;
    total.voluntary += part.voluntary;
    total.involuntary += part.involuntary;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a fixed time for each message, by a rule on the number of the window.
    struct Mock<F> {
        windows: Vec<u64>,
        now: u64,
        per_message: F,
    }

    impl<F: FnMut(usize) -> u64> Session for Mock<F> {
        fn facts(&self) -> Facts {
            Facts::from([("capacity".to_owned(), "7".to_owned())])
        }

        fn window(&mut self, count: u64) -> Result<Window, Stop> {
            let each = (self.per_message)(self.windows.len());
            self.windows.push(count);
            let start_ns = self.now;
            self.now += each * count;
            let usage = Usage { cpu_ns: count * 10, voluntary: count, ..Usage::default() };
            let initiator = Part {
                start_ns,
                end_ns: start_ns + 1,
                usage,
                latencies: vec![(each, count)],
                ..Part::default()
            };
            let responder = Part { end_ns: self.now, usage, verified: count, ..Part::default() };
            Ok(Window { initiator, responder: Some(responder) })
        }
    }

    fn mock<F: FnMut(usize) -> u64>(per_message: F) -> Mock<F> {
        Mock { windows: vec![], now: 1_000, per_message }
    }

    const EFFORT: Effort =
        Effort { warmup: Duration::from_millis(40), measure: Duration::from_millis(160) };

    #[test]
    fn a_steady_transport_is_warm_after_three_windows_and_measured_for_its_time() {
        let mut session = mock(|_| 10_000);
        let sample = take(&mut session, Scenario::Pingpong, 64, EFFORT).unwrap();
        assert!(sample.settled);
        // HdrHistogram keeps three digits and names the top of a bucket.
        assert!((sample.value - 10_000.0).abs() < 20.0, "{}", sample.value);
        let measured = Duration::from_nanos(sample.elapsed_ns);
        assert!(measured >= EFFORT.measure && measured < EFFORT.measure * 2, "{measured:?}");
        assert_eq!(sample.messages * 10_000, sample.elapsed_ns);
    }

    #[test]
    fn the_warm_up_is_in_no_figure() {
        let mut session = mock(|window| match window {
            0 => 300_000,
            1 => 150_000,
            2 => 80_000,
            _ => 10_000,
        });
        let sample = take(&mut session, Scenario::Pingpong, 64, EFFORT).unwrap();
        let slow: u64 =
            sample.latencies.iter().filter(|(value, _)| *value > 20_000).map(|(_, n)| n).sum();
        assert_eq!(slow, 0);
        assert_eq!(sample.initiator.voluntary, sample.messages);
    }

    #[test]
    fn a_transport_that_never_settles_is_measured_all_the_same_and_marked() {
        let mut factor = 1;
        let mut session = mock(move |_| {
            factor = 11 - factor;
            10_000 * factor
        });
        let sample = take(&mut session, Scenario::Pingpong, 64, EFFORT).unwrap();
        assert!(!sample.settled);
        assert!(sample.messages > 0);
    }

    #[test]
    fn a_stream_is_timed_to_the_last_verified_byte_and_not_to_the_last_sent() {
        let mut session = mock(|_| 1_000);
        let sample = take(&mut session, Scenario::Stream, 64, EFFORT).unwrap();
        // 64 bytes in a microsecond; the initiator itself was done after a nanosecond.
        assert!((sample.value - 64e6).abs() < 1.0, "{}", sample.value);
        assert_eq!(sample.initiator.cpu_ns + sample.responder.cpu_ns, 20 * sample.messages);
    }

    #[test]
    fn everything_that_was_compared_is_counted_and_the_first_wrong_byte_ends_the_sample() {
        struct Faulty(Mock<fn(usize) -> u64>);
        impl Session for Faulty {
            fn facts(&self) -> Facts {
                Facts::new()
            }
            fn window(&mut self, count: u64) -> Result<Window, Stop> {
                let mut window = self.0.window(count)?;
                if self.0.windows.len() == 6 {
                    let fault = Fault { message: 1, offset: 2, expected: 3, found: 4 };
                    window.initiator.fault = Some(fault);
                }
                Ok(window)
            }
        }
        let mut session = Faulty(mock(|_| 10_000));
        let sample = take(&mut session, Scenario::Stream, 64, EFFORT).unwrap();
        assert!(sample.fault.is_some());
        assert_eq!(session.0.windows.len(), 6);
        assert_eq!(sample.verified, session.0.windows.iter().sum::<u64>());
    }

    #[test]
    fn a_session_that_breaks_ends_the_sample_with_its_reason() {
        struct Broken;
        impl Session for Broken {
            fn facts(&self) -> Facts {
                Facts::new()
            }
            fn window(&mut self, _: u64) -> Result<Window, Stop> {
                Err(Stop::Failed("a peer is gone".to_owned()))
            }
        }
        let stop = take(&mut Broken, Scenario::Stream, 64, EFFORT).unwrap_err();
        assert_eq!(stop, Stop::Failed("a peer is gone".to_owned()));
    }
}
