//! What a parent may leave for a child that is no handover, or one full of lies; and positions at every border.

use std::{
    io::{Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::Command,
    time::Duration,
};

use ringpipe::{Error, Options, Reader, Writer};

use crate::{
    child::other,
    common::watchdog,
    door::alone,
    report::Report,
    wire::{self, FIXED, HANDOVER, Header, Map, PAGE, Store, side},
};

const CAPACITY: usize = 4096;
const SIZE: usize = 3 * PAGE + CAPACITY;

/// The file of a ring, with both positions where they are wanted.
fn ring(write_pos: u64, read_pos: u64, seals: i32) -> (OwnedFd, Map) {
    let (fd, map) = wire::file(SIZE, seals, &[]);
    map.u64(side::POS).set(write_pos);
    map.u64(PAGE + side::POS).set(read_pos);
    (fd, map)
}

fn header() -> Header {
    Header { data_offset: 3 * PAGE as u64, ..Header::honest(CAPACITY) }
}

fn handover(header: Header, sleeps: u64) -> [u8; wire::GREETING] {
    let mut answered = [0; 16];
    answered[..8].copy_from_slice(&sleeps.to_le_bytes());
    wire::greeting(HANDOVER, header, answered)
}

/// Has `command` inherit a socket in which `greeting` waits, as the end that `variable` names.
fn leave(
    command: &mut Command,
    variable: &str,
    greeting: &[u8],
    file: &OwnedFd,
) -> (UnixStream, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    wire::send(&here, greeting, &[file.as_fd()]).unwrap();
    let raw = there.as_raw_fd();
    let inode = nix::sys::stat::fstat(&there).unwrap().st_ino;
    command.env(variable, format!("{raw}:{inode}"));
    // SAFETY: `fcntl` may be called between fork and exec.
    unsafe {
        command.pre_exec(move || match libc::fcntl(raw, libc::F_SETFD, 0) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    (here, there)
}

/// The role: takes up what was left, and expects what it was told to.
pub(crate) fn inherit(what: &str) {
    let options = Options::new().handshake_timeout(Duration::from_millis(500));
    match what {
        "both" => work(options.inherited_reader().unwrap(), options.inherited_writer().unwrap()),
        "nothing" => match options.inherited_reader() {
            Err(
                Error::Refused(_) | Error::Unsupported(_) | Error::Timeout | Error::Capacity { .. },
            ) => {
                // What was refused was taken nevertheless.
                assert!(matches!(options.inherited_reader(), Err(Error::Unsupported(_))));
            }
            other => panic!("{other:?}"),
        },
        "end" => assert_eq!(options.inherited_reader().unwrap().read(&mut [0; 1]).unwrap(), 0),
        "corrupt" => {
            let mut reader = options.inherited_reader().unwrap();
            let error = reader.read(&mut [0; 1]).unwrap_err();
            assert!(matches!(Error::of(&error), Some(Error::Corrupt(_))), "{error}");
        }
        _ => panic!("inherit {what}"),
    }
}

/// Three times round the ring, with every verb, under a reader who checks each byte.
fn work(mut reader: Reader, mut writer: Writer) {
    let byte = |pos: usize| (pos * 7 + pos / 256) as u8;
    let (mut written, mut read) = (0, 0);
    let mut buf = [0; CAPACITY];
    while read < 3 * CAPACITY {
        for step in 0..6 {
            let n = [1, 511, 2, 700, 64, 1000][step];
            let bytes: Vec<u8> = (written..written + n).map(byte).collect();
            match step % 3 {
                0 => assert_eq!(writer.write(&bytes).unwrap(), n),
                1 => assert_eq!(writer.try_write(&bytes).unwrap(), n),
                _ => {
                    let mut grant = writer.reserve(n).unwrap();
                    grant.write_all(&bytes).unwrap();
                    grant.commit(n).unwrap();
                }
            }
            written += n;
        }
        while read < written {
            let n = match read % 2 {
                0 => reader.read(&mut buf[..333]).unwrap(),
                _ => {
                    let n = reader.peek().unwrap().copy_to(0, &mut buf[..400]);
                    reader.consume(n);
                    n
                }
            };
            for (at, got) in buf[..n].iter().enumerate() {
                assert_eq!(*got, byte(read + at));
            }
            read += n;
        }
        assert!(reader.try_read(&mut buf).is_err());
    }
    // Full, and not a byte more.
    writer.write_all(&[1; CAPACITY]).unwrap();
    assert!(writer.try_write(&[1]).is_err());
    assert_eq!((reader.stats().fill, writer.stats().fill), (0, CAPACITY as u64));
    writer.set_write_timeout(Some(Duration::from_millis(2))).unwrap();
    assert!(writer.write(&[1]).is_err());
    // Sleeping across the border.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..50 {
                reader.read_exact(&mut [0; 1000]).unwrap();
            }
        });
        writer.set_write_timeout(None).unwrap();
        writer.write_all(&[2; 50_000 - CAPACITY]).unwrap();
    });
    writer.send(&[3; 2000]).unwrap();
    assert_eq!(reader.recv(&mut buf).unwrap(), Some(2000));
    writer.send(&[4; 0]).unwrap();
    assert_eq!(reader.recv(&mut buf).unwrap(), Some(0));
    drop(writer);
    assert_eq!(reader.read(&mut buf).unwrap(), 0);
}

#[test]
fn positions_may_start_at_every_border() {
    let _turn = alone();
    let report = Report::new("T7 starting positions", "rings");
    let mut cases = 0;
    watchdog(Duration::from_secs(300), || {
        for border in [1u64 << 31, 1 << 32, 1 << 62, 1 << 63, 0] {
            for before in [0, 1, 2, 7, 8, 4095, 4096, 4097, 6000, 12_000] {
                let pos = border.wrapping_sub(before);
                let (file, _map) = ring(pos, pos, FIXED);
                let mut command = other("inherit both");
                let greeting = handover(header(), 0);
                let _ends = [
                    leave(&mut command, "RINGPIPE_READER", &greeting, &file),
                    leave(&mut command, "RINGPIPE_WRITER", &greeting, &file),
                ];
                assert!(command.status().unwrap().success(), "{before} before {border:#x}");
                cases += 1;
            }
        }
    });
    report.done(cases, 50);
}

#[test]
fn handovers_that_lie_are_refused() {
    let _turn = alone();
    let report = Report::new("T10 handovers", "handovers");
    let mut cases = 0;
    watchdog(Duration::from_secs(300), || {
        let good = header();
        let (file, _map) = ring(0, 0, FIXED);
        let (unsealed, _map2) = ring(0, 0, 0);
        let (short, _map3) = wire::file(SIZE - PAGE, FIXED, &[]);
        let null = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let mut broken = handover(good, 0);
        broken[0x20] ^= 1;
        let mut hello = handover(good, 0);
        hello[0x14] = 1;
        wire::sign(&mut hello);
        let lies: Vec<(&str, Vec<u8>, &OwnedFd, &str)> = vec![
            ("the truth", handover(good, 0).to_vec(), &file, "both"),
            ("unsealed", handover(good, 0).to_vec(), &unsealed, "nothing"),
            ("short", handover(good, 0).to_vec(), &short, "nothing"),
            ("no file", handover(good, 0).to_vec(), &null, "nothing"),
            ("a broken checksum", broken.to_vec(), &file, "nothing"),
            ("a hello", hello.to_vec(), &file, "nothing"),
            ("half of it", handover(good, 0)[..64].to_vec(), &file, "nothing"),
            ("too much", [&handover(good, 0)[..], &[0]].concat(), &file, "nothing"),
            ("capacity 0", handover(Header { capacity: 0, ..good }, 0).to_vec(), &file, "nothing"),
            (
                "capacity 8192",
                handover(Header { capacity: 8192, ..good }, 0).to_vec(),
                &file,
                "nothing",
            ),
            (
                "capacity 2^63",
                handover(Header { capacity: 1 << 63, ..good }, 0).to_vec(),
                &file,
                "nothing",
            ),
            (
                "data elsewhere",
                handover(Header { data_offset: 4096, ..good }, 0).to_vec(),
                &file,
                "nothing",
            ),
            ("more sleeps than there can be", handover(good, u64::MAX).to_vec(), &file, "nothing"),
            ("more sleeps than fit", handover(good, 1 << 62).to_vec(), &file, "nothing"),
        ];
        for (name, greeting, file, what) in lies {
            let mut command = other(&format!("inherit {what}"));
            let _ends = [
                leave(&mut command, "RINGPIPE_READER", &greeting, file),
                leave(&mut command, "RINGPIPE_WRITER", &greeting, file),
            ];
            assert!(command.status().unwrap().success(), "{name}");
            cases += 1;
        }
        for (write_pos, read_pos) in [(4097, 0), (0, 1), (1 << 63, 0), (0, u64::MAX - 4096)] {
            let (file, _map) = ring(write_pos, read_pos, FIXED);
            let mut command = other("inherit corrupt");
            let _ends = leave(&mut command, "RINGPIPE_READER", &handover(good, 0), &file);
            assert!(command.status().unwrap().success(), "positions {write_pos} and {read_pos}");
            cases += 1;
        }
        for told in ["", "7", ":", "x:y", "-1:5", "0:0", "99999:1", "99999999999999999999:1", "3:x"]
        {
            let mut command = other("inherit nothing");
            command.env("RINGPIPE_READER", told);
            assert!(command.status().unwrap().success(), "told {told:?}");
            cases += 1;
        }
    });
    report.done(cases, 25);
}

#[test]
fn both_ends_of_one_ring_cannot_leave_the_process_that_made_it() {
    let _turn = alone();
    let (reader, writer) = ringpipe::ring(4096).unwrap();
    let mut child = reader.hand_to(other("inherit end")).unwrap();
    let error = writer.hand_to(other("inherit end")).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    assert!(child.wait().unwrap().success());
}
