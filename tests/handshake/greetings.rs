//! Greetings with every bit and field wrong, cut short, too long, in pieces, late, or never finished.

use std::{
    io::Write,
    net::Shutdown,
    os::fd::{AsFd, BorrowedFd},
    thread,
    time::Duration,
};

use crate::{
    common::watchdog,
    door::{CASES, Caller, Expect, ROLES, Role, alone, case, case_with},
    report::Report,
    wire::{self, Files, GREETING, Header},
};

fn greet(caller: &Caller, files: &Files) -> [u8; GREETING] {
    wire::greeting(caller.kind, files.header, caller.answered)
}

/// Sends an honest greeting after `spoil` has been at it.
fn with_spoilt(
    role: Role,
    name: &str,
    expect: Expect,
    spoil: impl FnOnce(&mut [u8; GREETING]),
) -> String {
    case(role, name, expect, |caller| {
        let files = Files::honest(4096);
        let mut greeting = greet(caller, &files);
        spoil(&mut greeting);
        wire::send(&caller.socket, &greeting, &files.fds()).unwrap();
    })
}

fn counted(id: &'static str, least: u64, cases: impl FnOnce()) {
    let _turn = alone();
    let report = Report::new(id, "greetings");
    let before = CASES.load(std::sync::atomic::Ordering::Relaxed);
    watchdog(Duration::from_secs(300), cases);
    report.done(CASES.load(std::sync::atomic::Ordering::Relaxed) - before, least);
}

#[test]
fn every_flipped_bit_of_a_greeting_is_refused() {
    counted("T7 greeting bits", 2048, || {
        for role in ROLES {
            for bit in 0..GREETING * 8 {
                with_spoilt(role, &format!("bit {bit}"), Expect::Refused, |greeting| {
                    greeting[bit / 8] ^= 1 << (bit % 8);
                });
            }
        }
    });
}

#[test]
fn every_flipped_bit_under_a_right_checksum_is_refused_or_means_nothing() {
    counted("T7 signed greeting bits", 1900, || {
        for role in ROLES {
            for bit in 0..(GREETING - 4) * 8 {
                // The minor version, the flag that is defined, and the fields that a kind does not use: 0x38 to 0x48 in a
                // hello, the text in both.
                let byte = bit / 8;
                let unused = role == Role::Accepts && (0x38..0x48).contains(&byte);
                let free = unused || (0x48..0x78).contains(&byte);
                let minor = (0x0a..0x0c).contains(&byte);
                let expect =
                    if free || minor || bit == 0x78 * 8 { Expect::Stream } else { Expect::Refused };
                with_spoilt(role, &format!("signed bit {bit}"), expect, |greeting| {
                    greeting[byte] ^= 1 << (bit % 8);
                    wire::sign(greeting);
                });
            }
        }
    });
}

#[test]
fn another_version_is_refused_with_both_numbers() {
    counted("T10 versions", 8, || {
        for role in ROLES {
            for major in [0u16, 2, 255, u16::MAX] {
                let text =
                    with_spoilt(role, &format!("version {major}"), Expect::Refused, |greeting| {
                        greeting[0x08..0x0a].copy_from_slice(&major.to_le_bytes());
                        wire::sign(greeting);
                    });
                assert!(text.contains(&format!("{major}.0")) && text.contains("1.0"), "{text}");
            }
        }
    });
}

#[test]
fn capacities_that_cannot_be_are_refused() {
    counted("T7 capacities", 40, || {
        let capacities = [
            0,
            1,
            3,
            2048,
            4095,
            4097,
            6144,
            8192,
            1 << 27,
            1 << 30,
            1 << 31,
            (1 << 31) - 1,
            1 << 32,
            (1 << 32) + 4096,
            1 << 40,
            1 << 62,
            1 << 63,
            (1 << 63) + 4096,
            u64::MAX,
            u64::MAX - 4095,
            u64::MAX - 4096,
        ];
        for role in ROLES {
            for capacity in capacities {
                // Announced and in memory, over a file of one page of data.
                case(role, &format!("capacity {capacity}"), Expect::Refused, |caller| {
                    let header = Header { capacity, ..Header::honest(4096) };
                    let files = Files::with_header(header, 4096);
                    wire::send(&caller.socket, &greet(caller, &files), &files.fds()).unwrap();
                });
            }
        }
    });
}

#[test]
fn wrong_kinds_and_wrong_answers_are_refused() {
    counted("T10 kinds", 20, || {
        for role in ROLES {
            for kind in [0, 1, 2, 3, 4, 5, 77, u32::MAX] {
                if kind == (if role == Role::Accepts { wire::HELLO } else { wire::WELCOME }) {
                    continue;
                }
                with_spoilt(role, &format!("kind {kind}"), Expect::Refused, |greeting| {
                    greeting[0x14..0x18].copy_from_slice(&kind.to_le_bytes());
                    wire::sign(greeting);
                });
            }
        }
        for answered in [[0; 16], [0xff; 16]] {
            case(Role::Connects, "an answer to another hello", Expect::Refused, |caller| {
                caller.answered = answered;
                let files = Files::honest(4096);
                wire::send(&caller.socket, &greet(caller, &files), &files.fds()).unwrap();
            });
        }
        let texts: [&[u8]; 6] =
            [b"no", b"", b"\xff\xfe\xc3", b"\x1b[31mred\x07", &[b'x'; 48], "ü".as_bytes()];
        for text in texts {
            let told = with_spoilt(Role::Connects, "a refusal", Expect::Refused, |greeting| {
                greeting[0x14..0x18].copy_from_slice(&wire::REFUSAL.to_le_bytes());
                greeting[0x48..0x78].fill(0);
                greeting[0x48..0x48 + text.len()].copy_from_slice(text);
                wire::sign(greeting);
            });
            assert!(!told.chars().any(char::is_control), "{told:?}");
        }
    });
}

#[test]
fn greetings_cut_short_or_too_long_are_refused() {
    counted("T10 lengths", 250, || {
        for role in ROLES {
            for length in 0..GREETING {
                case(role, &format!("{length} bytes, then the end"), Expect::Refused, |caller| {
                    let files = Files::honest(4096);
                    let greeting = greet(caller, &files);
                    if length > 0 {
                        wire::send(&caller.socket, &greeting[..length], &files.fds()).unwrap();
                    }
                    caller.socket.shutdown(Shutdown::Write).unwrap();
                });
            }
            for extra in [1, 2, 127, 128, 4096] {
                case(role, &format!("{extra} bytes too many"), Expect::Refused, |caller| {
                    let files = Files::honest(4096);
                    let mut long = greet(caller, &files).to_vec();
                    long.resize(GREETING + extra, 0);
                    wire::send(&caller.socket, &long, &files.fds()).unwrap();
                });
            }
            for (name, at) in [("a greeting and another", 0), ("noise before it", 1)] {
                case(role, name, Expect::Refused, |caller| {
                    let files = Files::honest(4096);
                    let greeting = greet(caller, &files);
                    let twice =
                        [[&greeting[..], &greeting].concat(), [&[7], &greeting[..]].concat()];
                    wire::send(&caller.socket, &twice[at], &files.fds()).unwrap();
                });
            }
        }
    });
}

#[test]
fn a_greeting_may_come_in_pieces_but_not_for_ever() {
    counted("T10 pieces", 34, || {
        for role in ROLES {
            // The descriptors with the first byte, the last, or one with each of the first three.
            for place in 0..3 {
                case(role, &format!("a byte at a time, {place}"), Expect::Stream, |caller| {
                    let files = Files::honest(4096);
                    let greeting = greet(caller, &files);
                    let fds = files.fds();
                    for (i, byte) in greeting.iter().enumerate() {
                        let with: &[BorrowedFd<'_>] = match (place, i) {
                            (0, 0) | (1, 127) => &fds,
                            (2, 0..3) => &fds[i..=i],
                            _ => &[],
                        };
                        wire::send(&caller.socket, &[*byte], with).unwrap();
                    }
                });
            }
            for split in [1, 8, 64, 120, 127] {
                case(role, &format!("two pieces, {split}"), Expect::Stream, |caller| {
                    let files = Files::honest(4096);
                    let greeting = greet(caller, &files);
                    wire::send(&caller.socket, &greeting[..split], &files.fds()).unwrap();
                    wire::send(&caller.socket, &greeting[split..], &[]).unwrap();
                });
            }
            for length in [0, 1, 64, 127] {
                case(role, &format!("{length} bytes, and no more"), Expect::Timeout, |caller| {
                    let files = Files::honest(4096);
                    if length > 0 {
                        let greeting = greet(caller, &files);
                        wire::send(&caller.socket, &greeting[..length], &files.fds()).unwrap();
                    }
                });
            }
            case(role, "a byte now and then", Expect::Timeout, |caller| {
                let files = Files::honest(4096);
                for byte in greet(caller, &files) {
                    // Slower than the time allowed for all of it; the victim may hang up meanwhile.
                    if caller.socket.write(&[byte]).is_err() {
                        break;
                    }
                    thread::sleep(Duration::from_millis(5));
                }
            });
            let short = ringpipe::Options::new().handshake_timeout(Duration::ZERO);
            case_with(&short, role, "no time at all", Expect::Timeout, |_| {});
            case(role, "gone at once", Expect::Anything, |caller| {
                caller.socket.shutdown(Shutdown::Both).unwrap();
            });
            case(role, "gone after the greeting", Expect::Anything, |caller| {
                let files = Files::honest(4096);
                wire::send(&caller.socket, &greet(caller, &files), &files.fds()).unwrap();
                caller.socket.shutdown(Shutdown::Both).unwrap();
            });
            case(role, "deaf after the greeting", Expect::Anything, |caller| {
                let files = Files::honest(4096);
                wire::send(&caller.socket, &greet(caller, &files), &files.fds()).unwrap();
                caller.socket.shutdown(Shutdown::Read).unwrap();
            });
        }
    });
}

#[test]
fn too_few_and_too_many_descriptors_are_refused() {
    counted("T10 counts of descriptors", 50, || {
        for role in ROLES {
            for count in (0..=16).chain([64, 128, 252, 253]) {
                let expect = if count == 3 { Expect::Stream } else { Expect::Refused };
                case(role, &format!("{count} descriptors"), expect, |caller| {
                    let files = Files::honest(4096);
                    let fds: Vec<_> = files.fds().into_iter().cycle().take(count).collect();
                    wire::send(&caller.socket, &greet(caller, &files), &fds).unwrap();
                });
            }
            for each in [1, 2, 4, 8, 200] {
                // Every byte brings more.
                case(
                    role,
                    &format!("{each} descriptors with each byte"),
                    Expect::Refused,
                    |caller| {
                        let files = Files::honest(4096);
                        let fds = vec![files.producer.as_fd(); each];
                        for byte in greet(caller, &files) {
                            if wire::send(&caller.socket, &[byte], &fds).is_err() {
                                break;
                            }
                        }
                    },
                );
            }
            // Too late to be noticed, or not; kept by nobody.
            case(role, "descriptors behind the greeting", Expect::Anything, |caller| {
                let files = Files::honest(4096);
                let greeting = greet(caller, &files);
                wire::send(&caller.socket, &greeting, &files.fds()).unwrap();
                let _ = wire::send(&caller.socket, &[1], &files.fds());
            });
        }
    });
}
