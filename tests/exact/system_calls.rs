use std::{
    io::{Read, Write},
    thread,
    time::Duration,
};

use ringpipe::{Options, Reader, Wait, Writer};

use super::{
    figures::figure,
    seccomp::{Calls, watched},
    traffic,
};
use crate::common::watchdog;

const MESSAGES: usize = 500;
const ROUND_TRIPS: usize = 2_000;
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn the_count_of_system_calls_is_exact() {
    let counted = watched(|meter| {
        meter.count(|| {
            for _ in 0..3 {
                // SAFETY: no preconditions.
                unsafe { libc::getppid() };
            }
        })
    });
    if let Some(calls) = counted {
        assert_eq!(calls, Calls::from([(libc::SYS_getppid as i32, 3)]));
    }
}

#[test]
fn a_message_costs_no_system_call_while_the_peer_keeps_up() {
    let counted = watched(|meter| {
        let mut cases = traffic::cases();
        let counts: Vec<_> = cases
            .iter_mut()
            .map(|case| (meter.count(|| case.run(MESSAGES)), case.name.clone()))
            .collect();
        counts
    });
    let Some(counts) = counted else { return };
    for (calls, name) in &counts {
        assert_eq!(*calls, Calls::new(), "{name}");
    }
    println!("{} cases of {MESSAGES} messages", counts.len());
    assert!(counts.len() >= 40);
    let total = counts.iter().flat_map(|(calls, _)| calls.values()).sum();
    figure("P9", "system calls of a message while the peer keeps up", total, 0);
}

/// What one side of the ping-pong asked the kernel for, and what its ends say they did.
struct Side {
    calls: Calls,
    parks: u64,
    wakes: u64,
}

impl Side {
    fn calls(&self, number: libc::c_long) -> u64 {
        self.calls.get(&(number as i32)).copied().unwrap_or(0)
    }
}

/// Sends and receives in turn; `first` says who begins.
fn play(mut reader: Reader, mut writer: Writer, first: bool) -> Option<Side> {
    watched(move |meter| {
        let mut message = [0; 64];
        let calls = meter.count(|| {
            for _ in 0..ROUND_TRIPS {
                if first {
                    writer.write_all(&message).unwrap();
                }
                reader.read_exact(&mut message).unwrap();
                if !first {
                    writer.write_all(&message).unwrap();
                }
            }
        });
        let (read, write) = (reader.stats(), writer.stats());
        Side { calls, parks: read.parks + write.parks, wakes: read.wakes_sent + write.wakes_sent }
    })
}

#[test]
fn two_sides_that_sleep_ask_the_kernel_for_their_sleeps_and_wakes_and_for_nothing_else() {
    watchdog(LIMIT, || {
        let options = Options::new().capacity(4096).wait(Wait::Park);
        let (request_reader, request_writer) = options.ring().unwrap();
        let (reply_reader, reply_writer) = options.ring().unwrap();
        let other = thread::spawn(move || play(request_reader, reply_writer, false));
        let ours = play(reply_reader, request_writer, true);
        let (Some(ours), Some(theirs)) = (ours, other.join().unwrap()) else { return };
        for side in [&ours, &theirs] {
            let (futex, fence) = (side.calls(libc::SYS_futex), side.calls(libc::SYS_membarrier));
            // A sleep whose second look finds something is not slept, so it has no call.
            assert!(futex >= side.wakes && futex <= side.wakes + side.parks, "{:?}", side.calls);
            // The first sleep, and one for each kibibyte that may have come without any. Where the kernel has no such fence,
            // both sides have their own.
            let most = 1 + ROUND_TRIPS as u64 * 64 / 1024;
            assert!(fence <= most.min(side.parks), "{:?}, {} parks", side.calls, side.parks);
            assert_eq!(side.calls.values().sum::<u64>(), futex + fence, "{:?}", side.calls);
        }
        let parks = ours.parks + theirs.parks;
        println!("{ROUND_TRIPS} round trips, {parks} sleeps, {} wakes", ours.wakes + theirs.wakes);
        assert!(parks > 0, "nobody slept");
        let idle = |side: &Side| {
            side.calls.values().sum::<u64>()
                - side.calls(libc::SYS_futex)
                - side.calls(libc::SYS_membarrier)
        };
        figure("P9", "system calls beside sleeping and waking", idle(&ours) + idle(&theirs), 0);
    });
}
