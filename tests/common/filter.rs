//! Filters of system calls, as a sandbox installs them.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::io;

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, c_long, sock_filter, sock_fprog,
};

/// What the kernel calls this machine's system calls; those of another one (32 bits, say) are let through.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// A system call that a filter takes hold of.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub call: c_long,
    pub only: Only,
}

/// Which of its calls, by the low half of an argument.
#[derive(Clone, Copy, Debug)]
pub enum Only {
    Every,
    /// Those whose argument of this number is one of these.
    Equal(u32, &'static [u32]),
    /// Those whose argument of this number is at least this.
    AtLeast(u32, u32),
    /// Those whose argument of this number has one of these bits.
    AnyBit(u32, u32),
}

impl Rule {
    pub fn every(call: c_long) -> Self {
        Self { call, only: Only::Every }
    }
}

/// A filter that answers `action` to what the rules name, and lets everything else through.
pub fn filter(rules: &[Rule], action: u32) -> Vec<sock_filter> {
    let step = |code: u32, jt, jf, k| sock_filter { code: code as u16, jt, jf, k };
    let load = |offset| step(BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
    let answer = |action| step(BPF_RET | BPF_K, 0, 0, action);
    let equal = |value, jt, jf| step(BPF_JMP | BPF_JEQ | BPF_K, jt, jf, value);
    // <linux/seccomp.h>: the number of the call, the architecture, the instruction's address, six arguments.
    let argument = |number| load(16 + 8 * number);
    let mut filter = vec![load(4), equal(ARCHITECTURE, 1, 0), answer(SECCOMP_RET_ALLOW), load(0)];
    for rule in rules {
        let body = match rule.only {
            Only::Every => vec![answer(action)],
            Only::Equal(number, values) => {
                let mut body = vec![argument(number)];
                for (at, value) in values.iter().enumerate() {
                    // Over the other values and the answer that lets it through.
                    body.push(equal(*value, (values.len() - at) as u8, 0));
                }
                body.extend([answer(SECCOMP_RET_ALLOW), answer(action)]);
                body
            }
            Only::AtLeast(number, value) | Only::AnyBit(number, value) => {
                let test = if let Only::AnyBit(..) = rule.only { BPF_JSET } else { BPF_JGE };
                vec![
                    argument(number),
                    step(BPF_JMP | test | BPF_K, 0, 1, value),
                    answer(action),
                    answer(SECCOMP_RET_ALLOW),
                ]
            }
        };
        filter.push(equal(rule.call as u32, 0, body.len() as u8));
        filter.extend(body);
    }
    filter.push(answer(SECCOMP_RET_ALLOW));
    filter
}

/// The action of failing with `errno`.
pub fn failing(errno: i32) -> u32 {
    SECCOMP_RET_ERRNO | errno as u32
}

/// Puts the calling thread under a filter, and whatever it starts from now on; for good.
pub fn install(filter: &mut [sock_filter], flags: libc::c_ulong) -> io::Result<i32> {
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: plain integers; what the thread may do less of concerns nobody's memory.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the program lives until it is installed.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}
