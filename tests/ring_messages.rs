//! Whole messages and bytes in place.

use std::{
    io::{ErrorKind, Read, Write},
    os::fd::AsFd,
    thread,
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpipe::{Doorbell, Options, Wait};

fn pattern(len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + salt * 17) as u8).collect()
}

#[test]
fn messages_of_every_length_arrive_whole_and_in_order() {
    for wait in [Wait::Adaptive, Wait::Park] {
        let (mut reader, mut writer) =
            Options::new().capacity(4096).wait(wait).max_message(1 << 20).ring().unwrap();
        let lengths: Vec<usize> =
            (0..300).chain([4088, 4089, 4092, 4093, 4096, 10_000, 300_000, 1 << 20, 0]).collect();
        let sender = thread::spawn({
            let lengths = lengths.clone();
            move || {
                for (salt, len) in lengths.into_iter().enumerate() {
                    writer.send(&pattern(len, salt)).unwrap();
                }
                writer.stats().messages
            }
        });
        let mut buf = vec![0; 1 << 20];
        for (salt, len) in lengths.iter().enumerate() {
            assert_eq!(reader.recv(&mut buf).unwrap(), Some(*len));
            assert!(buf[..*len] == pattern(*len, salt), "message {salt} of {len} bytes");
        }
        assert_eq!(reader.recv(&mut buf).unwrap(), None);
        assert_eq!(reader.stats().messages, lengths.len() as u64);
        assert_eq!(sender.join().unwrap(), lengths.len() as u64);
    }
}

#[test]
fn a_message_that_timed_out_half_way_goes_on_where_it_stopped() {
    let (mut reader, mut writer) = ringpipe::ring(4096).unwrap();
    let message = pattern(20_000, 1);
    writer.set_write_timeout(Some(Duration::from_millis(5))).unwrap();
    reader.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    assert_eq!(writer.send(&message).unwrap_err().kind(), ErrorKind::TimedOut);
    let error = writer.send(b"another").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let mut buf = vec![0; 20_000];
    let received = loop {
        if let Ok(received) = reader.recv(&mut buf) {
            break received;
        }
        let _ = writer.send(&message);
    };
    assert_eq!(received, Some(20_000));
    assert!(buf == message);
}

#[test]
fn a_message_that_is_too_long_for_the_buffer_stays_for_a_larger_one() {
    let (mut reader, mut writer) = ringpipe::ring(4096).unwrap();
    writer.send(b"ten bytes!").unwrap();
    let error = reader.recv(&mut [0; 9]).unwrap_err();
    assert!(error.to_string().contains("10 bytes"), "{error}");
    assert_eq!(reader.next_message().unwrap(), Some(10));
    let mut buf = [0; 10];
    assert_eq!(reader.recv(&mut buf).unwrap(), Some(10));
    assert_eq!(&buf, b"ten bytes!");
}

#[test]
fn a_message_over_the_limit_is_refused_on_both_sides() {
    let (mut reader, mut writer) = Options::new().capacity(4096).max_message(8).ring().unwrap();
    assert_eq!(writer.send(&[0; 9]).unwrap_err().kind(), ErrorKind::InvalidInput);
    writer.write_all(&9u32.to_le_bytes()).unwrap();
    assert_eq!(reader.recv(&mut [0; 99]).unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(reader.recv(&mut [0; 99]).unwrap_err().kind(), ErrorKind::InvalidData);
}

fn is_readable(end: &impl AsFd) -> bool {
    poll(&mut [PollFd::new(end.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1
}

/// Who polls and then calls would go round and round over a part of a message, or over too little room for one.
#[test]
fn an_end_that_is_polled_shows_when_the_message_that_would_block_can_go_on() {
    let (reader, writer) =
        Options::new().capacity(4096).doorbell(Doorbell::EventFd).ring().unwrap();
    let (mut reader, mut writer) = (reader.pollable().unwrap(), writer.pollable().unwrap());
    reader.set_nonblocking(true);
    writer.set_nonblocking(true);
    let mut buf = [0; 4096];

    // A message that comes in pieces: half a header, a header, half a message.
    let frame = [&3000u32.to_le_bytes()[..], &pattern(3000, 1)].concat();
    let mut sent = 0;
    for piece in [2, 4, 1500, 3003] {
        writer.write_all(&frame[sent..piece]).unwrap();
        sent = piece;
        assert_eq!(reader.recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(!is_readable(&reader), "after {sent} bytes");
    }
    writer.write_all(&frame[sent..]).unwrap();
    assert!(is_readable(&reader));
    assert_eq!(reader.recv(&mut buf).unwrap(), Some(3000));
    assert_eq!(buf[..3000], pattern(3000, 1));
    assert!(!is_readable(&reader));

    // Room for a part of what is to be sent.
    writer.write_all(&[0; 4000]).unwrap();
    for freed in [0, 1, 500] {
        reader.read_exact(&mut buf[..freed]).unwrap();
        assert_eq!(writer.send(&[1; 1000]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(!is_readable(&writer), "after {freed} bytes");
        assert_eq!(writer.reserve(1000).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(!is_readable(&writer), "after {freed} bytes");
    }
    reader.read_exact(&mut buf[..3499]).unwrap();
    assert!(is_readable(&writer));
    writer.send(&[1; 1000]).unwrap();
    assert_eq!(reader.recv(&mut buf).unwrap(), Some(1000));

    // An end of the stream is worth a look, whatever is missing.
    writer.write_all(&frame[..100]).unwrap();
    assert_eq!(reader.recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    writer.close();
    assert!(is_readable(&reader));
    assert_eq!(reader.recv(&mut buf).unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn a_stream_that_ends_inside_a_message_is_an_error() {
    for cut in 1..13 {
        let (mut reader, mut writer) = ringpipe::ring(4096).unwrap();
        let mut bytes = 9u32.to_le_bytes().to_vec();
        bytes.extend_from_slice(&[1; 9]);
        writer.write_all(&bytes[..cut]).unwrap();
        writer.close();
        let error = reader.recv(&mut [0; 99]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "cut at {cut}");
        assert_eq!(reader.recv(&mut [0; 99]).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn a_stream_that_ends_inside_a_message_longer_than_the_ring_is_an_error() {
    let (mut reader, mut writer) =
        Options::new().capacity(4096).max_message(1 << 20).ring().unwrap();
    let cut = thread::spawn(move || {
        writer.write_all(&100_000u32.to_le_bytes()).unwrap();
        writer.write_all(&[1; 50_000]).unwrap();
    });
    let mut buf = vec![0; 100_000];
    for _ in 0..2 {
        let error = reader.recv(&mut buf).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    }
    cut.join().unwrap();
}

#[test]
fn a_grant_and_a_span_tell_how_much_they_are() {
    let (mut reader, mut writer) = ringpipe::ring(4096).unwrap();
    assert_eq!((reader.capacity(), writer.capacity()), (4096, 4096));
    let grant = writer.reserve(0).unwrap();
    assert!(grant.is_empty());
    grant.commit(0).unwrap();
    let mut grant = writer.reserve(100).unwrap();
    assert_eq!((grant.len(), grant.is_empty(), grant.filled()), (100, false, 0));
    assert_eq!(grant.write(&[1; 99]).unwrap(), 99);
    assert_eq!(grant.write(&[2; 99]).unwrap(), 1, "never more than was reserved");
    grant.flush().unwrap();
    assert!(format!("{grant:?}").contains("len: 100, filled: 100"), "{grant:?}");
    grant.commit(100).unwrap();
    let span = reader.peek().unwrap();
    assert_eq!((span.len(), span.is_empty()), (100, false));
    assert_eq!(format!("{span:?}"), "Span { len: 100, .. }");
    reader.consume(100);
    writer.close();
    assert!(reader.peek().unwrap().is_empty(), "the end of the stream");
}

#[test]
fn wishes_for_the_memory_are_never_an_error_and_told_alike_at_both_ends() {
    for wish in [
        |options: Options| options.prefault(true),
        |options: Options| options.huge_pages(true),
        |options: Options| options.lock(true),
    ] {
        let (mut reader, mut writer) = wish(Options::new().capacity(64 << 10)).ring().unwrap();
        let had = reader.stats().memory;
        assert_eq!(had, writer.stats().memory);
        assert!(!had.huge_pages, "the ring is smaller than one of them");
        let sent = pattern(64 << 10, 1);
        writer.write_all(&sent).unwrap();
        let mut got = vec![0; sent.len()];
        reader.read_exact(&mut got).unwrap();
        assert!(got == sent);
    }
}

#[test]
fn a_grant_publishes_what_is_committed_and_nothing_else() {
    let (mut reader, mut writer) = ringpipe::ring(4096).unwrap();
    for round in 0..1000usize {
        let len = 1 + round * 37 % 3000;
        let mut grant = writer.reserve(len).unwrap();
        let slice = grant.as_mut_slice().unwrap();
        slice.copy_from_slice(&pattern(len, round));
        let kept = len - round % len.min(7);
        grant.commit(kept).unwrap();
        drop(writer.reserve(4096 - kept).unwrap());
        assert_eq!(reader.peek().unwrap().as_slice().unwrap(), &pattern(len, round)[..kept]);
        reader.consume(kept);
        assert_eq!(reader.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    let error = writer.reserve(4097).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn what_lies_in_a_grant_stays_when_it_is_looked_at_again() {
    const LEN: usize = 100_000;
    let (mut reader, mut writer) = ringpipe::ring(1 << 20).unwrap();
    for round in 0..100 {
        let mut grant = writer.reserve(LEN).unwrap();
        grant.write_all(&pattern(round * 7, 1)).unwrap();
        let written = grant.filled();
        let half = LEN / 2;
        grant.as_mut_slice().unwrap()[written..half].fill(2);
        grant.as_mut_slice().unwrap()[half..].fill(3);
        grant.commit(LEN).unwrap();
        let span = reader.peek().unwrap();
        let slice = span.as_slice().unwrap();
        assert_eq!(slice[..written], pattern(round * 7, 1));
        assert!(slice[written..half].iter().all(|byte| *byte == 2), "round {round}");
        assert!(slice[half..].iter().all(|byte| *byte == 3), "round {round}");
        reader.consume(LEN);
    }
}

/// Small messages have the writer prepare what comes next, while the reader is anywhere behind.
#[test]
fn what_is_not_read_yet_outlasts_the_writer_however_far_it_is_ahead() {
    for capacity in [64 << 10, 256 << 10, 1 << 20] {
        let (mut reader, mut writer) = ringpipe::ring(capacity).unwrap();
        let (mut written, mut read) = (0u64, 0u64);
        let mut buf = [0; 5000];
        for round in 0..40_000usize {
            let len = 1 + round * 7919 % 3000;
            // Mostly full, now and then empty.
            let free = if round % 5000 == 0 { capacity } else { len };
            while capacity - ((written - read) as usize) < free {
                let n = reader.read(&mut buf).unwrap();
                for byte in &buf[..n] {
                    assert_eq!(*byte, (read % 251) as u8, "at {read}");
                    read += 1;
                }
            }
            let bytes: Vec<u8> =
                (written..written + len as u64).map(|at| (at % 251) as u8).collect();
            writer.write_all(&bytes).unwrap();
            written += len as u64;
        }
        assert!(read > 10 * capacity as u64);
    }
}

#[test]
fn one_byte_read_lets_a_blocked_byte_in() {
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        let (mut reader, mut writer) = Options::new().capacity(4096).wait(wait).ring().unwrap();
        writer.write_all(&[1; 4096]).unwrap();
        let blocked = thread::spawn(move || writer.write(&[2]).map(|n| (n, writer)));
        assert_eq!(reader.read(&mut [0]).unwrap(), 1);
        let (n, writer) = blocked.join().unwrap().unwrap();
        assert_eq!(n, 1);
        drop(writer);
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!((rest.len(), rest.last()), (4096, Some(&2)));
    }
}

#[test]
fn a_ring_whose_end_left_the_process_gives_no_slices() {
    let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
    let other = thread::spawn(|| Options::new().connect_on(b).unwrap().split());
    let (mut reader, mut writer) = Options::new().accept_on(a).unwrap().split();
    let (_reader, mut other) = other.join().unwrap();
    assert!(writer.reserve(8).unwrap().as_mut_slice().is_none());
    other.write_all(b"x").unwrap();
    let span = reader.peek().unwrap();
    assert!(span.as_slice().is_none());
    // SAFETY: the other end is in this test, which does not write meanwhile.
    assert_eq!(unsafe { span.as_slice_trusting() }, b"x");
}
