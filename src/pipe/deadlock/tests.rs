use super::*;
use crate::pipe::{
    PipeReader, PipeWriter,
    rendezvous::{End, Rendezvous},
};
use std::{
    io::{self, Write},
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
    let result = case();
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
    const ROUNDS: u32 = 20_000;
    pretending(THREADS, || {
        let (mut readers, mut writers): (Vec<_>, Vec<_>) =
            (0..THREADS).map(|_| hasty_pipe()).unzip();
        writers.rotate_right(1);
        thread::scope(|scope| {
            for (i, (reader, writer)) in readers.drain(..).zip(writers.drain(..)).enumerate() {
                scope.spawn(move || -> io::Result<()> {
                    let (mut reader, mut writer) = (reader, writer);
                    for round in 0..ROUNDS {
                        if i == 0 {
                            writer.write_all(&round.to_le_bytes())?;
                        }
                        let mut token = [0; 4];
                        io::Read::read_exact(&mut reader, &mut token)?;
                        assert_eq!(u32::from_le_bytes(token), round);
                        if i != 0 {
                            writer.write_all(&token)?;
                        }
                    }
                    // The pretended threads must stay: their ends are open until all have finished.
                    Ok(())
                });
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
                let read = io::Read::read(&mut b_reader, &mut [0; 4]);
                drop(a_writer.write_all(b"late"));
                read.map_err(|error| error.kind())
            });
            let mine = io::Read::read(&mut a_reader, &mut [0; 4]).map_err(|error| error.kind());
            // Whoever of the two was told runs on and wakes the other one.
            drop(b_writer);
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
fn a_satisfied_waiter_is_struck_before_its_waker_goes_on() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut waits = Waits::default();
    let mut watch = Watch::new(Duration::ZERO);
    *PRETENDED.lock().unwrap() = Some(usize::MAX);
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

#[test]
fn an_end_is_named_in_the_diagnosis() {
    pretending(1, || {
        let (reader, mut writer) = hasty_pipe();
        let error = writer.write(b"12345").unwrap_err();
        let text = error.to_string();
        for part in ["write of 5 bytes", file!(), "another thread"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(End::Writer, End::Writer);
        drop(reader);
    });
}
