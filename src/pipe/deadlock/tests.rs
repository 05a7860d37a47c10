use super::*;
use crate::pipe::{
    PipeReader, PipeWriter,
    rendezvous::{End, Rendezvous, Wakes},
    tests::{LIMIT, watchdog},
};
use std::{
    io::{self, Read, Write},
    panic::Location,
    sync::Arc,
    thread,
};

/// The number of threads the next looks find, in place of the kernel's: the test harness has threads of its own.
pub(super) static PRETENDED: Mutex<Option<usize>> = Mutex::new(None);
/// The tests that pretend have the process to themselves, one after the other.
static ALONE: Mutex<()> = Mutex::new(());

fn hasty_pipe() -> (PipeReader, PipeWriter) {
    let pipe = Arc::new(Rendezvous::new(Location::caller(), Duration::from_micros(30)));
    (PipeReader::over(pipe.clone()), PipeWriter::over(pipe))
}

fn pretending<T>(threads: usize, case: impl FnOnce() -> T) -> T {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    *PRETENDED.lock().unwrap() = Some(threads);
    let result = watchdog(LIMIT, case);
    *PRETENDED.lock().unwrap() = None;
    assert_eq!(registry().waiting, 0, "a wait is over and still registered");
    result
}

#[test]
fn the_count_of_threads_survives_any_program_name() {
    let fields = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 42 18 19";
    for name in ["ipc-bench", "a) b (c", ") 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "(("] {
        let stat = format!("77 ({name}) {fields}");
        assert_eq!(parse_threads(stat.as_bytes()), Some(42), "{stat}");
    }
    for bad in
        ["", "77", "77 (x)", "77 (x) S 1 2 3", "77 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 x"]
    {
        assert_eq!(parse_threads(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn the_kernel_counts_the_threads_of_this_process() {
    let before = count_threads().unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let thread = thread::spawn(move || wait.recv());
    // Other tests start and end threads meanwhile; this one and the new one are there for certain.
    assert!(count_threads().unwrap() >= 2 && before >= 1);
    drop(go);
    thread.join().unwrap().unwrap_err();
}

/// Tokens go round between threads whose every wait is long enough to be looked at, and which together are
/// all the threads there are. Somebody always holds a token, so each error would be a false alarm.
#[test]
fn threads_that_hand_work_to_each_other_are_never_called_stuck() {
    const THREADS: usize = 3;
    const ROUNDS: u32 = 5_000;
    pretending(THREADS, || {
        let (mut readers, mut writers): (Vec<_>, Vec<_>) =
            (0..THREADS).map(|_| hasty_pipe()).unzip();
        writers.rotate_right(1);
        thread::scope(|scope| {
            let ends = readers.drain(..).zip(writers.drain(..)).enumerate();
            let threads: Vec<_> = ends
                .map(|(i, (mut reader, mut writer))| {
                    scope.spawn(move || -> io::Result<()> {
                        for round in 0..ROUNDS {
                            if i == 0 {
                                writer.write_all(&round.to_le_bytes())?;
                            }
                            let mut token = [0; 4];
                            reader.read_exact(&mut token)?;
                            assert_eq!(u32::from_le_bytes(token), round);
                            if i != 0 {
                                writer.write_all(&token)?;
                            }
                        }
                        Ok(())
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap().unwrap();
            }
        });
    });
}

#[test]
fn the_last_thread_to_wait_is_told_and_the_others_live_on() {
    pretending(2, || {
        let (mut a_reader, mut a_writer) = hasty_pipe();
        let (mut b_reader, b_writer) = hasty_pipe();
        let result = thread::scope(|scope| {
            let other = scope.spawn(move || {
                let read = b_reader.read(&mut [0; 4]);
                drop(a_writer.write_all(b"late"));
                read.map_err(|error| error.kind())
            });
            let mine = a_reader.read(&mut [0; 4]).map_err(|error| error.kind());
            // Whoever of the two was told runs on and wakes the other one.
            drop((a_reader, b_writer));
            (mine, other.join().unwrap())
        });
        assert!(
            matches!(
                result,
                (Err(io::ErrorKind::Deadlock), Ok(0)) | (Ok(4), Err(io::ErrorKind::Deadlock))
            ),
            "{result:?}"
        );
    });
}

#[test]
fn a_wait_is_struck_once_whether_it_ends_or_is_ended() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut waits = Waits::default();
    let mut watch = Watch::new(Duration::ZERO);
    *PRETENDED.lock().unwrap() = Some(usize::MAX);
    while registry().waiting == 0 {
        assert!(matches!(watch.look(&mut waits), Look::Sleep(_)));
    }
    // A wait that ends with nobody's help strikes itself.
    watch.end(&mut waits);
    assert_eq!(registry().waiting, 0);
    while registry().waiting == 0 {
        assert!(matches!(watch.look(&mut waits), Look::Sleep(_)));
    }
    waits.strike();
    assert_eq!(registry().waiting, 0);
    // The wait was struck by somebody else: ending it must not strike a second time.
    registry().waiting += 1;
    watch.end(&mut waits);
    assert_eq!(registry().waiting, 1);
    registry().strike(1);
    *PRETENDED.lock().unwrap() = None;
}

/// Waits until `count` waits of the process are registered.
fn until_registered(count: usize) {
    while registry().waiting != count {
        thread::yield_now();
    }
}

#[test]
fn whoever_gives_a_reason_to_go_on_strikes_the_waits_under_the_same_lock() {
    pretending(usize::MAX, || {
        let (reader, writer) = hasty_pipe();
        thread::scope(|scope| {
            // One of them has the turn, the other one waits for it.
            let calls = [(); 2].map(|()| scope.spawn(|| (&reader).read(&mut [0]).unwrap()));
            until_registered(2);
            // As long as this lock is held, no wait can register again.
            let mut state = reader.shared().lock();
            let mut wakes = Wakes::default();
            state.rouse(End::Reader, &mut wakes);
            assert_eq!(registry().waiting, 0, "a waiter that has been satisfied");
            reader.shared().wake(state, wakes);

            until_registered(2);
            let mut state = reader.shared().lock();
            let mut wakes = Wakes::default();
            state.side(End::Reader).busy = false;
            state.pass_turn(End::Reader, &mut wakes);
            assert_eq!(registry().waiting, 0, "a waiter whose turn it is");
            state.side(End::Reader).busy = true;
            reader.shared().wake(state, wakes);

            until_registered(2);
            reader.set_deadline(None);
            until_registered(2);
            (&writer).write_all(b"xy").unwrap();
            assert_eq!(calls.map(|call| call.join().unwrap()), [1, 1]);
        });
    });
}

#[test]
fn a_wait_with_a_deadline_is_not_registered() {
    pretending(usize::MAX, || {
        let (mut reader, _writer) = hasty_pipe();
        reader.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        thread::scope(|scope| {
            let read = scope.spawn(move || reader.read(&mut [0]).unwrap_err().kind());
            while !read.is_finished() {
                assert_eq!(registry().waiting, 0);
            }
            assert_eq!(read.join().unwrap(), io::ErrorKind::TimedOut);
        });
    });
}

#[test]
fn a_diagnosis_names_the_call_the_place_and_the_way_out() {
    pretending(1, || {
        let (_reader, mut writer) = hasty_pipe();
        let text = writer.write(b"12345").unwrap_err().to_string();
        for part in ["write of 5 bytes", file!(), "another thread"] {
            assert!(text.contains(part), "{text}");
        }
    });
}
