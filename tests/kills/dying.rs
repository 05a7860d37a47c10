//! The process that dies: it works, says how far it got, and ends in the way it was told.

use std::{
    env,
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    process::Command,
    thread,
};

use ringpipe::{Listener, Options, Reader, Wait, Writer};

use crate::{
    common::Random,
    pattern::{CHUNK, assert_bytes, bytes},
};

/// Most writes or reads before a process ends by itself.
const MOST_STEPS: usize = 120;

/// Says how many bytes are in the ring, or out of it, as soon as the call has returned.
fn acknowledge(pos: u64) {
    // One system call and no lock: a process that dies here has said it or has not.
    // SAFETY: eight bytes from a valid buffer.
    let said = unsafe { libc::write(3, pos.to_le_bytes().as_ptr().cast(), 8) };
    assert_eq!(said, 8, "{}", io::Error::last_os_error());
}

/// Ends this process in the way of `death`; returns for one that is killed from outside.
fn die(death: &str) {
    match death {
        "killed" => {}
        "abort" => std::process::abort(),
        // SAFETY: there is nothing at that address, which is the point.
        "segfault" => unsafe {
            std::ptr::dangling_mut::<u64>().cast::<u8>().wrapping_sub(8).write_volatile(1)
        },
        // SAFETY: ends the process at once; nothing is closed or dropped.
        "exit" => unsafe { libc::_exit(0) },
        "exec" => {
            let error = Command::new(env::current_exe().unwrap())
                .args(["--exact", "the_other_process"])
                .env("RINGPIPE_TEST_ROLE", "true")
                .exec();
            panic!("exec: {error}");
        }
        _ => panic!("unknown death {death}"),
    }
}

fn options(random: &mut Random) -> Options {
    let wait = [Wait::Park, Wait::Adaptive, Wait::Spin][random.below(3)];
    Options::new().wait(wait)
}

/// Writes to the inherited end until it dies.
pub(crate) fn write(seed: u64, death: &str) {
    let mut random = Random::new(seed);
    let writer = options(&mut random).inherited_writer().unwrap();
    write_on(writer, random, death);
}

fn write_on(mut writer: Writer, mut random: Random, death: &str) {
    let steps = random.below(MOST_STEPS);
    let mut pos = 0;
    for step in 0.. {
        if step == steps {
            die(death);
        }
        match writer.write(bytes(pos, 1 + random.below(CHUNK))) {
            Ok(n) => pos += n as u64,
            Err(_) => break,
        }
        acknowledge(pos);
    }
}

/// Reads from the inherited end until it dies.
pub(crate) fn read(seed: u64, death: &str) {
    let mut random = Random::new(seed);
    let reader = options(&mut random).inherited_reader().unwrap();
    read_on(reader, random, death);
}

fn read_on(mut reader: Reader, mut random: Random, death: &str) {
    let mut buf = [0; CHUNK];
    let steps = random.below(MOST_STEPS);
    let mut pos = 0;
    for step in 0.. {
        if step == steps {
            die(death);
        }
        let n = 1 + random.below(CHUNK);
        match reader.read(&mut buf[..n]) {
            Ok(0) | Err(_) => break,
            Ok(n) => {
                assert_bytes(pos, &buf[..n]);
                pos += n as u64;
            }
        }
        acknowledge(pos);
    }
}

/// Writes and reads over a stream; the writing half is the one that dies.
pub(crate) fn both(path: &str, seed: u64, death: &str) {
    let mut random = Random::new(seed);
    // The other side may be dead already, where both are to be killed.
    let Ok(stream) = options(&mut random).connect(path) else { return };
    let (mut reader, writer) = stream.split();
    thread::spawn(move || {
        let mut buf = [0; CHUNK];
        while let Ok(1..) = reader.read(&mut buf) {}
    });
    write_on(writer, random, death);
}

/// Accepts one stream, and echoes until it is killed.
pub(crate) fn listen(path: &str, seed: u64) {
    let mut random = Random::new(seed);
    let listener = Listener::bind(path).unwrap();
    acknowledge(0);
    let Ok(mut stream) = listener.accept() else { return };
    let mut buf = [0; CHUNK];
    loop {
        let n = 1 + random.below(CHUNK);
        match stream.read(&mut buf[..n]) {
            Ok(n @ 1..) if stream.write_all(&buf[..n]).is_ok() => acknowledge(n as u64),
            _ => break,
        }
    }
}
