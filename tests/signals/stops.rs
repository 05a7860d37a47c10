//! A peer that is stopped, and goes on.

use std::time::Duration;

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use crate::{
    census::Census,
    common::{Random, watchdog},
    flow::Calls,
    pair::{KINDS, Tallies, with_other_process},
    report::{Report, scaled},
    turn::alone,
};

/// Stops in a CI run.
const STOPS: u64 = 200;
/// Most bytes of both directions between two stops.
const MOST_BETWEEN: usize = 200_000;
/// Calls of each direction whose time is up while the peer is stopped. The first may have begun before.
const TIMEOUTS: u64 = 3;

/// A process that goes on when this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn stop(peer: Pid) -> Self {
        kill(peer, Signal::SIGSTOP).unwrap();
        let status = waitpid(peer, Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert_eq!(status, WaitStatus::Stopped(peer, Signal::SIGSTOP));
        Self(peer)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill(self.0, Signal::SIGCONT).unwrap();
    }
}

fn stop_and_go_on(tallies: &Tallies, peer: Pid, random: &mut Random) {
    // Any number of bytes later, wherever both are then.
    let before = tallies.bytes();
    let more = random.below(MOST_BETWEEN) as u64;
    tallies.wait_until(|direction, at| direction.bytes() >= before[at] + more);

    let stopped = Stopped::stop(peer);
    let before = tallies.timeouts();
    tallies.wait_until(|direction, at| direction.timeouts() >= before[at] + TIMEOUTS);

    let before = tallies.bytes();
    drop(stopped);
    tallies.wait_until(|direction, at| direction.bytes() > before[at]);
}

#[test]
fn a_stopped_peer_is_not_dead_and_its_stream_goes_on() {
    let _turn = alone();
    watchdog(Duration::from_secs(scaled(300)), || {
        let before = Census::take_when_quiet();
        let mut report = Report::new("T11 stops", "stops of a peer");
        let each = scaled(STOPS).div_ceil(KINDS as u64);
        let (mut bytes, mut timeouts) = (0, 0);
        for kind in 0..KINDS {
            let mut random = Random::new(kind as u64);
            let tallies = with_other_process(kind, 0, Calls::Limited, |tallies, child, _| {
                let peer = Pid::from_raw(child.id() as i32);
                for _ in 0..each {
                    stop_and_go_on(tallies, peer, &mut random);
                }
            });
            bytes += tallies.bytes().iter().sum::<u64>();
            timeouts += tallies.timeouts().iter().sum::<u64>();
        }
        before.assert_unchanged();
        report.field("megabytes", bytes / 1_000_000).field("timeouts", timeouts);
        report.done(KINDS as u64 * each, STOPS);
    });
}
