//! Using the in-memory pipe allocates nothing: counted, not believed.

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    io::{ErrorKind, IoSlice, IoSliceMut, Read, Write},
    thread,
    time::{Duration, Instant},
};

use common::watchdog;
use ringpipe::{PipeReader, PipeWriter, pipe};

/// Counts the allocations of each thread for itself, so that other tests and the harness do not disturb.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more, and is not one of those measured.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations<T>(work: impl FnOnce() -> T) -> u64 {
    let before = ALLOCATIONS.get();
    let result = work();
    let after = ALLOCATIONS.get();
    drop(result);
    after - before
}

const CALLS: usize = 20_000;

fn write_in_every_way(mut writer: &PipeWriter) {
    let data = [7; 600];
    for i in 0..CALLS {
        match i % 5 {
            0 => writer.write_all(&data[..1 + i % 600]).unwrap(),
            1 => {
                let parts = [IoSlice::new(&data[..64]), IoSlice::new(&data[64..100])];
                assert_eq!(writer.write_vectored(&parts).unwrap(), 100);
            }
            2 => {
                if let Err(error) = writer.try_write(&data) {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                }
            }
            3 => writer
                .set_deadline((i % 2 == 0).then(|| Instant::now() + Duration::from_secs(3600))),
            _ => assert_eq!(writer.write(&[]).unwrap(), 0),
        }
        if i % 1_000 == 0 {
            // Long enough for the reader to fall asleep, so that waking is counted, too.
            thread::sleep(Duration::from_millis(2));
        }
    }
    writer.close();
}

fn read_in_every_way(mut reader: &PipeReader) {
    let mut data = [0; 250];
    for i in 0.. {
        let n = match i % 3 {
            0 => reader.read(&mut data),
            1 => {
                let (a, b) = data.split_at_mut(100);
                reader.read_vectored(&mut [IoSliceMut::new(a), IoSliceMut::new(b)])
            }
            _ => reader.try_read(&mut data),
        };
        match n {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        if i % 1_000 == 500 {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

#[test]
fn no_read_or_write_allocates_in_either_thread() {
    watchdog(Duration::from_secs(60), || {
        assert!(allocations(|| vec![1]) == 1, "the counter does not count");
        let (reader, writer) = pipe();
        let wrote = thread::spawn(move || allocations(|| write_in_every_way(&writer)));
        assert_eq!(allocations(|| read_in_every_way(&reader)), 0);
        assert_eq!(wrote.join().unwrap(), 0);
    });
}

#[test]
fn callers_that_wait_for_their_turn_do_not_allocate_either() {
    watchdog(Duration::from_secs(60), || {
        let (mut reader, writer) = pipe();
        thread::scope(|scope| {
            let writers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        allocations(|| {
                            for _ in 0..2_000 {
                                (&writer).write_all(b"a few bytes").unwrap();
                            }
                        })
                    })
                })
                .collect();
            let mut left = 3 * 2_000 * 11;
            let mut data = [0; 7];
            assert_eq!(
                allocations(|| {
                    while left > 0 {
                        left -= reader.read(&mut data).unwrap();
                    }
                }),
                0
            );
            for writer in writers {
                assert_eq!(writer.join().unwrap(), 0);
            }
        });
    });
}

#[test]
fn a_pipe_is_one_allocation() {
    assert_eq!(allocations(pipe), 1);
}
