//! What a forked child may do with its copy of an end: nothing.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    thread,
};

use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, fork},
};
use ringpipe::{Doorbell, Error, Options};

/// Runs `child` in a forked child, and asserts that it returned true.
fn in_a_forked_child(child: impl FnOnce() -> bool) {
    // SAFETY: the child allocates, which glibc allows after fork, and leaves by `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let code = if child() { 0 } else { 1 };
            // SAFETY: ends the process without running what belongs to the parent.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
        }
    }
}

#[test]
fn a_forked_copy_answers_forked_and_closes_nothing() {
    let (mut reader, mut writer) = ringpipe::ring(4096).unwrap();
    writer.write_all(b"before").unwrap();
    let (reader, writer) = (&mut reader, &mut writer);
    in_a_forked_child(|| {
        let read = reader.read(&mut [0; 1]).unwrap_err();
        let write = writer.write(b"x").unwrap_err();
        writer.close();
        // SAFETY: each is read once and dropped here; the child never touches the originals again.
        unsafe {
            drop(std::ptr::read(reader));
            drop(std::ptr::read(writer));
        }
        matches!(Error::of(&read), Some(Error::Forked))
            && matches!(Error::of(&write), Some(Error::Forked))
    });
    writer.write_all(b" after").unwrap();
    let mut buf = [0; 12];
    reader.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"before after");
}

/// Each of these touched memory that the child does not have.
#[test]
fn a_forked_copy_of_an_end_that_is_polled_or_was_peeked_at_answers_forked() {
    let forked =
        |result: io::Result<usize>| matches!(Error::of(&result.unwrap_err()), Some(Error::Forked));
    let (mut reader, mut writer) = ringpipe::ring(4096).unwrap();
    writer.write_all(b"before").unwrap();
    assert_eq!(reader.peek().unwrap().len(), 6);
    in_a_forked_child(|| {
        reader.consume(6);
        forked(reader.read(&mut [0; 6]))
    });
    let mut buf = [0; 6];
    reader.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"before");

    let (reader, writer) = Options::new().doorbell(Doorbell::EventFd).ring().unwrap();
    let (mut reader, mut writer) = (reader.pollable().unwrap(), writer.pollable().unwrap());
    in_a_forked_child(|| {
        let calls = [
            reader.read(&mut [0; 1]),
            reader.try_read(&mut [0; 1]),
            reader.peek().map(|span| span.len()),
            writer.write(b"x"),
            writer.try_write(b"x"),
            writer.reserve(1).map(|grant| grant.len()),
        ];
        calls.into_iter().all(forked)
    });
    writer.write_all(b"x").unwrap();
    assert_eq!(reader.read(&mut buf).unwrap(), 1);
}

#[test]
fn a_forked_child_makes_streams_of_its_own_while_its_copies_stay_dead() {
    let (a, b) = UnixStream::pair().unwrap();
    let other = thread::spawn(|| Options::new().connect_on(b).unwrap());
    let mut here = Options::new().accept_on(a).unwrap();
    let mut there = other.join().unwrap();
    let copy = &mut here;
    in_a_forked_child(|| {
        let (a, b) = UnixStream::pair().unwrap();
        let other = thread::spawn(|| Options::new().connect_on(b).unwrap());
        let mut own = Options::new().accept_on(a).unwrap();
        let mut peer = other.join().unwrap();
        own.write_all(b"child").unwrap();
        let mut word = [0; 5];
        peer.read_exact(&mut word).unwrap();
        let forked = copy.write(b"x").is_err();
        // SAFETY: read once and dropped here; the child never touches the original again.
        unsafe { drop(std::ptr::read(copy)) };
        // Dropping the dead copy has not broken the tie of the living.
        drop(peer);
        let end = own.read(&mut word);
        forked && &word == b"child" && matches!(end, Ok(0))
    });
    there.write_all(b"alive").unwrap();
    let mut word = [0; 5];
    here.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"alive");
}
