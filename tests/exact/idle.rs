use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStderr, Stdio},
    thread,
    time::Duration,
};

use super::{figures::figure, proc};
use crate::{child::other, common::watchdog};

/// How long the parked ends are looked at.
const LOOK: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(300);

/// A child that is killed at the end.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(role: &str) -> (Killed, BufReader<ChildStderr>) {
    let mut child = other(role).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    (Killed(child), said)
}

fn hear(from: &mut impl BufRead, word: &str) {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    assert_eq!(line.trim(), word);
}

/// One process waits for bytes that never come, the other for room that it never gets.
#[test]
fn a_parked_end_uses_no_cpu_and_never_wakes() {
    watchdog(LIMIT, || {
        for wait in ["adaptive", "park"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("meet");
            let (reader, mut said) = start(&format!("reader {wait} {}", path.display()));
            hear(&mut said, "bound");
            let (writer, _said) = start(&format!("writer {wait} {}", path.display()));
            let both = [reader.0.id(), writer.0.id()];
            let before = proc::come_to_rest(&both, 2);
            thread::sleep(LOOK);
            let now = proc::Used::by(&both);
            let (ran, switches) = now.since(&before);
            assert_eq!(now.threads(), before.threads());
            println!("{} threads of two processes for {LOOK:?}", now.threads());
            figure("P7", &format!("ns of CPU in 2 s of two parked processes, {wait}"), ran, 0);
            figure("P7", &format!("context switches of the same, {wait}"), switches, 0);
        }
    });
}

const RINGS: usize = 1_000;
const CAPACITY: usize = 64 << 10;

#[test]
fn a_thousand_rings_are_idle_and_have_three_pages_each_beside_their_capacity() {
    watchdog(LIMIT, || {
        let (process, mut said) = start(&format!("many {RINGS} {CAPACITY}"));
        hear(&mut said, "open");
        let before = proc::come_to_rest(&[process.0.id()], RINGS);
        thread::sleep(LOOK);
        let now = proc::Used::by(&[process.0.id()]);
        let (ran, switches) = now.since(&before);
        figure("P12", "ns of CPU in 2 s of 1,000 rings with a parked reader each", ran, 0);
        figure("P12", "context switches of the same", switches, 0);
        let each = proc::memory_files(process.0.id()) / RINGS as u64;
        // SAFETY: no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
        assert!(each >= CAPACITY as u64, "{each} bytes for a ring of {CAPACITY}");
        let beside = each - CAPACITY as u64;
        figure("P12", "bytes of a ring beside its capacity, of 1,000 of 64 KiB", beside, 3 * page);
    });
}
