//! One sample: warm up until three windows agree, then measure windows until the time of the sample is used.

use std::time::Duration;

use crate::{
    case::{Case, Pace, Scenario},
    control::{Facts, Part, Usage},
    pattern::Fault,
    report::record::Calls,
    stats::{
        agree,
        percentile::{Buckets, LONGEST_NS, buckets, histogram, merge},
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
    /// A message did not arrive as it was sent, where no sample could say so.
    Wrong(Fault),
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
    pub(crate) fn elapsed_ns(&self) -> u64 {
        let end = self.responder.as_ref().map_or(0, |part| part.end_ns).max(self.initiator.end_ns);
        end.saturating_sub(self.initiator.start_ns).max(1)
    }

    /// The first message that did not arrive as it was sent.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.initiator.fault.as_ref().or(self.responder.as_ref()?.fault.as_ref())
    }

    /// The latencies that a side took, or that follow from when each message was due and when it had arrived.
    fn latencies(&self) -> Buckets {
        let Some(responder) = self.responder.as_ref().filter(|part| !part.stamps.is_empty()) else {
            return self.initiator.latencies.clone();
        };
        let mut latencies = histogram();
        for (due, arrived) in self.initiator.stamps.iter().zip(&responder.stamps) {
            latencies.saturating_record(arrived.saturating_sub(*due).clamp(1, LONGEST_NS));
        }
        buckets(&latencies)
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

/// Takes one sample of `case`.
pub(crate) fn take(session: &mut dyn Session, case: &Case, effort: Effort) -> Result<Sample, Stop> {
    let mut sample = Sample { facts: session.facts(), ..Sample::default() };
    let mut per_message = warm_up(session, case, effort.warmup, &mut sample)?;
    let mut latencies = Vec::new();
    let target = (effort.measure / MEASURED_WINDOWS).max(SHORTEST_WINDOW);
    while sample.fault.is_none() && sample.elapsed_ns < effort.measure.as_nanos() as u64 {
        let left = effort.measure.saturating_sub(Duration::from_nanos(sample.elapsed_ns));
        let count = fitting(target.min(left.max(SHORTEST_WINDOW)), per_message);
        let window = session.window(count)?;
        note(&window, &mut sample);
        sample.messages += count;
        sample.elapsed_ns += window.elapsed_ns();
        per_message = window.elapsed_ns() as f64 / count as f64;
        latencies.push(window.latencies());
        add(&mut sample.initiator, window.initiator.usage);
        add(&mut sample.responder, window.responder.map_or(Usage::default(), |part| part.usage));
    }
    if case.scenario == Scenario::Stream {
        let bytes = sample.messages as f64 * case.size.0 as f64;
        sample.value = bytes * 1e9 / sample.elapsed_ns.max(1) as f64;
    } else {
        let merged = merge(&latencies).map_err(|error| Stop::Failed(error.to_string()))?;
        sample.value = merged.value_at_quantile(0.5) as f64;
        sample.latencies = buckets(&merged);
    }
    Ok(sample)
}

/// Counts the system calls of `case` for one message, once it runs as it does for long.
pub(crate) fn count(session: &mut dyn Session, case: &Case, effort: Effort) -> Result<Calls, Stop> {
    let mut verified = Sample::default();
    let per_message = warm_up(session, case, effort.warmup, &mut verified)?;
    let messages = fitting(effort.measure, per_message);
    let window = session.window(messages)?;
    note(&window, &mut verified);
    if let Some(fault) = verified.fault {
        return Err(Stop::Wrong(fault));
    }
    let each = |part: Option<&Part>| {
        let calls = part.map_or(Some(0), |part| part.calls)? as f64;
        Some(calls / messages as f64)
    };
    match (each(Some(&window.initiator)), each(window.responder.as_ref())) {
        (Some(initiator), Some(responder)) => Ok(Calls { initiator, responder, messages }),
        _ => Err(Stop::Unavailable("this program does not count its system calls".to_owned())),
    }
}

/// Runs windows until three agree or `time` is used; gives the nanoseconds of a message.
fn warm_up(
    session: &mut dyn Session,
    case: &Case,
    time: Duration,
    sample: &mut Sample,
) -> Result<f64, Stop> {
    let target = (time / WARMUP_WINDOWS).max(SHORTEST_WINDOW);
    let mut used = Duration::ZERO;
    let mut count = first(case);
    let mut last: Vec<f64> = Vec::new();
    loop {
        let window = session.window(count)?;
        note(&window, sample);
        let elapsed = Duration::from_nanos(window.elapsed_ns());
        used += elapsed;
        let per_message = elapsed.as_nanos() as f64 / count as f64;
        if elapsed >= SHORTEST_WINDOW {
            last.push(typical(&window, per_message));
        }
        sample.settled = last.len() >= 3 && agree(&last[last.len() - 3..], AGREEMENT);
        if sample.settled || sample.fault.is_some() || used >= time {
            return Ok(per_message);
        }
        // A first, cold window is a poor guess, so growth is bounded.
        count = fitting(target, per_message).min(count * 16);
    }
}

/// How many messages the first window has: what is known of the case keeps it from lasting for ever.
fn first(case: &Case) -> u64 {
    let least = match case.scenario {
        // Some make a megabyte of memory each time.
        Scenario::Setup => 1_000_000,
        _ => case.pace.map_or(1, Pace::period_ns).max(1),
    };
    (SHORTEST_WINDOW.as_nanos() as u64 / least).clamp(1, FIRST_COUNT)
}

/// What is compared between windows: the median where latencies are known, else the mean.
fn typical(window: &Window, mean: f64) -> f64 {
    match merge([&window.latencies()]) {
        Ok(merged) if !merged.is_empty() => merged.value_at_quantile(0.5) as f64,
        _ => mean,
    }
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
    use crate::case::tests::case;

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
        let sample = take(&mut session, &case(Scenario::Pingpong), EFFORT).unwrap();
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
        let sample = take(&mut session, &case(Scenario::Pingpong), EFFORT).unwrap();
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
        let sample = take(&mut session, &case(Scenario::Pingpong), EFFORT).unwrap();
        assert!(!sample.settled);
        assert!(sample.messages > 0);
    }

    #[test]
    fn a_stream_is_timed_to_the_last_verified_byte_and_not_to_the_last_sent() {
        let mut session = mock(|_| 1_000);
        let sample = take(&mut session, &case(Scenario::Stream), EFFORT).unwrap();
        // 64 bytes in a microsecond; the initiator itself was done after a nanosecond.
        assert!((sample.value - 64e6).abs() < 1.0, "{}", sample.value);
        assert_eq!(sample.initiator.cpu_ns + sample.responder.cpu_ns, 20 * sample.messages);
    }

    #[test]
    fn a_latency_of_two_sides_runs_from_when_a_message_was_due_until_it_had_arrived() {
        struct Paced;
        impl Session for Paced {
            fn facts(&self) -> Facts {
                Facts::new()
            }
            fn window(&mut self, count: u64) -> Result<Window, Stop> {
                // Due every millisecond; what takes three makes all that follow later and later.
                let due: Vec<u64> = (1..=count).map(|turn| turn * 1_000_000).collect();
                let arrived: Vec<u64> = (1..=count).map(|turn| turn * 3_000_000).collect();
                let end_ns = count * 3_000_000;
                let usage =
                    Usage { cpu_ns: 7 * count, pacing_ns: 900_000 * count, ..Usage::default() };
                let initiator = Part { stamps: due, usage, ..Part::default() };
                let responder = Part { stamps: arrived, end_ns, ..Part::default() };
                Ok(Window { initiator, responder: Some(responder) })
            }
        }
        let paced = Case { pace: Some(Pace::Rate(1_000)), ..case(Scenario::Paced) };
        let sample = take(&mut Paced, &paced, EFFORT).unwrap();
        let (first, last) = (sample.latencies[0].0, sample.latencies.last().unwrap().0);
        assert!((2_000_000..2_010_000).contains(&first), "{first}");
        assert!(last > 20_000_000, "a window of many messages has a long queue: {last}");
        assert_eq!(sample.initiator.pacing_ns, 900_000 * sample.messages);
        assert_eq!(sample.initiator.cpu_ns, 7 * sample.messages);
    }

    #[test]
    fn the_first_window_of_a_slow_pace_is_short() {
        let slow = |pace| Case { pace: Some(pace), ..case(Scenario::IdleWake) };
        assert_eq!(first(&case(Scenario::Pingpong)), FIRST_COUNT);
        assert_eq!(first(&slow(Pace::GapNs(10_000))), FIRST_COUNT);
        assert_eq!(first(&slow(Pace::Rate(1_000))), 2);
        assert_eq!(first(&slow(Pace::GapNs(10_000_000))), 1);
    }

    /// Three system calls of the initiator and one of the responder for each message.
    struct Counted {
        counts: bool,
        wrong: bool,
    }

    impl Session for Counted {
        fn facts(&self) -> Facts {
            Facts::new()
        }
        fn window(&mut self, count: u64) -> Result<Window, Stop> {
            let part = |calls| Part {
                end_ns: count * 1_000,
                calls: self.counts.then_some(calls * count),
                fault: self.wrong.then_some(Fault { message: 1, offset: 2, expected: 3, found: 4 }),
                ..Part::default()
            };
            Ok(Window { initiator: part(3), responder: Some(part(1)) })
        }
    }

    #[test]
    fn system_calls_are_counted_for_each_side_and_message() {
        let case = case(Scenario::Pingpong);
        let calls = count(&mut Counted { counts: true, wrong: false }, &case, EFFORT).unwrap();
        assert_eq!((calls.initiator, calls.responder), (3.0, 1.0));
        let stop = count(&mut Counted { counts: false, wrong: false }, &case, EFFORT).unwrap_err();
        assert!(matches!(stop, Stop::Unavailable(_)), "{stop:?}");
        let stop = count(&mut Counted { counts: true, wrong: true }, &case, EFFORT).unwrap_err();
        assert!(matches!(stop, Stop::Wrong(_)), "{stop:?}");
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
        let sample = take(&mut session, &case(Scenario::Stream), EFFORT).unwrap();
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
        let stop = take(&mut Broken, &case(Scenario::Stream), EFFORT).unwrap_err();
        assert_eq!(stop, Stop::Failed("a peer is gone".to_owned()));
    }
}
