//! Counts the system calls of this process, in all its threads, without privileges and without another process.
//!
//! A filter has the kernel answer every call with `SIGSYS`. The handler counts it, makes it from the one place that the
//! filter lets through, and puts the result where the caller expects it. That costs a microsecond or so, so nothing is
//! timed in a process that counts; but it is short beside the time for which a side that polls looks before it sleeps, so both
//! sides go on behaving as they do. A tracer (`ptrace`) would have to be woken for every call, the other side would fall
//! asleep meanwhile, and what is counted would be another program.
//!
//! Not counted: reading the clock, which the harness does for every message, what makes and ends threads, and what moves the
//! end of the heap. The harness's own histogram does that once, and of ten messages on a busy machine it would be a tenth.

use std::{
    cell::Cell,
    io,
    sync::atomic::{AtomicU64, Ordering},
};

/// Calls of all threads since [`start`].
static ALL: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Calls of this thread. Constant and without a destructor, so that a signal handler may touch it.
    static OWN: Cell<u64> = const { Cell::new(0) };
}

/// Calls of this process so far.
pub(crate) fn of_process() -> u64 {
    ALL.load(Ordering::Relaxed)
}

/// Calls of this thread so far.
pub(crate) fn of_thread() -> u64 {
    OWN.get()
}

/// Takes a call of the harness itself out of the count, if there is one.
pub(crate) fn forget_one() {
    if of_process() > 0 {
        ALL.fetch_sub(1, Ordering::Relaxed);
        OWN.set(OWN.get() - 1);
    }
}

/// Counts from now on, in this thread and in those that it will start.
///
/// # Errors
/// Where the processor is not among those the handler is written for, or the system refuses the filter.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) fn start() -> io::Result<()> {
    trap::install(|| {
        ALL.fetch_add(1, Ordering::Relaxed);
        OWN.set(OWN.get() + 1);
    })
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn start() -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "system calls can be counted on x86-64 and aarch64 only",
    ))
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod trap {
    //! The filter, the handler, and the place from which calls are let through.

    use std::{io, mem, ptr, sync::OnceLock};

    use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter, sock_fprog};

    /// Calls that are never trapped: those that return elsewhere than they were made or not at all, those that may take
    /// away the very stack on which the handler stands, and what the harness reads its clocks and counters with or gets
    /// room for its histograms by.
    const UNCOUNTED: [i64; 11] = [
        libc::SYS_rt_sigreturn,
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_execve,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_madvise,
        libc::SYS_munmap,
        libc::SYS_brk,
        libc::SYS_clock_gettime,
        libc::SYS_getrusage,
    ];

    /// What to do for every call.
    static EACH: OnceLock<fn()> = OnceLock::new();

    // One argument: the number of the call and its six arguments, as seven words. The second name is the address that the
    // kernel sees as that of the call.
    #[cfg(target_arch = "x86_64")]
    std::arch::global_asm!(
        ".globl ipc_bench_call, ipc_bench_called",
        "ipc_bench_call:",
        "mov r11, rdi",
        "mov rax, [r11]",
        "mov rdi, [r11 + 8]",
        "mov rsi, [r11 + 16]",
        "mov rdx, [r11 + 24]",
        "mov r10, [r11 + 32]",
        "mov r8, [r11 + 40]",
        "mov r9, [r11 + 48]",
        "syscall",
        "ipc_bench_called:",
        "ret",
    );
    #[cfg(target_arch = "aarch64")]
    std::arch::global_asm!(
        ".globl ipc_bench_call, ipc_bench_called",
        "ipc_bench_call:",
        "mov x9, x0",
        "ldp x8, x0, [x9]",
        "ldp x1, x2, [x9, #16]",
        "ldp x3, x4, [x9, #32]",
        "ldr x5, [x9, #48]",
        "svc #0",
        "ipc_bench_called:",
        "ret",
    );

    unsafe extern "C" {
        fn ipc_bench_call(words: *const u64) -> u64;
        fn ipc_bench_called();
    }

    /// `AUDIT_ARCH_…` of linux/audit.h: the ELF machine, 64 bits, little endian.
    #[cfg(target_arch = "x86_64")]
    const ARCH: u32 = 62 | 0xC000_0000;
    #[cfg(target_arch = "aarch64")]
    const ARCH: u32 = 183 | 0xC000_0000;

    /// The call that was trapped, and where its result belongs.
    #[cfg(target_arch = "x86_64")]
    fn registers(context: &mut libc::ucontext_t) -> ([u64; 7], &mut u64) {
        let of = &mut context.uc_mcontext.gregs;
        let word = |register: libc::c_int| of[register as usize].cast_unsigned();
        let words = [
            word(libc::REG_RAX),
            word(libc::REG_RDI),
            word(libc::REG_RSI),
            word(libc::REG_RDX),
            word(libc::REG_R10),
            word(libc::REG_R8),
            word(libc::REG_R9),
        ];
        let result = &mut of[libc::REG_RAX as usize];
        // SAFETY: an i64 and a u64 have the same size, alignment and valid values.
        (words, unsafe { &mut *ptr::from_mut(result).cast() })
    }
    #[cfg(target_arch = "aarch64")]
    fn registers(context: &mut libc::ucontext_t) -> ([u64; 7], &mut u64) {
        let of = &mut context.uc_mcontext.regs;
        ([of[8], of[0], of[1], of[2], of[3], of[4], of[5]], &mut of[0])
    }

    extern "C" fn on_call(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
        // SAFETY: the kernel hands a handler with SA_SIGINFO the context of the interrupted thread, which nobody else
        // touches until the handler returns.
        let context: &mut libc::ucontext_t = unsafe { &mut *context.cast() };
        let mask = &raw mut context.uc_sigmask;
        let (words, result) = registers(context);
        if let Some(each) = EACH.get() {
            each();
        }
        *result = if words[0] == libc::SYS_rt_sigprocmask.cast_unsigned() {
            // SAFETY: the context holds the mask as the kernel writes it, in the first word.
            change_mask(&words, unsafe { &mut *mask.cast() })
        } else {
            // SAFETY: this is the call that the thread was about to make, with its own arguments.
            unsafe { ipc_bench_call(words.as_ptr()) }
        };
    }

    /// Makes a change of the signal mask in the mask that the thread goes on with; the handler's own ends with it.
    ///
    /// `SIGSYS` stays open whatever is asked for: blocked, the next call would be the end of the process.
    fn change_mask(words: &[u64; 7], mask: &mut u64) -> u64 {
        let [_, how, new, old, ..] = *words;
        let before = *mask;
        // SAFETY: the pointers are those of the call, which the caller vouches for; null is allowed for both.
        let (new, old) = unsafe { ((new as *const u64).as_ref(), (old as *mut u64).as_mut()) };
        if let Some(new) = new {
            *mask = match how as libc::c_int {
                libc::SIG_BLOCK => before | new,
                libc::SIG_UNBLOCK => before & !new,
                _ => *new,
            };
            *mask &= !(1 << (libc::SIGSYS - 1));
        }
        if let Some(old) = old {
            *old = before;
        }
        0
    }

    fn filter() -> Vec<sock_filter> {
        let op = |code, k, jt, jf| sock_filter { code: code as u16, jt, jf, k };
        let load = |offset| op(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
        let equal = |value, yes, no| op(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no);
        let end = |action| op(BPF_RET | BPF_K, action, 0, 0);
        let place = ipc_bench_called as *const () as u64;
        // Offsets into seccomp_data: number 0, architecture 4, address of the instruction 8 (both are little endian).
        let mut program = vec![load(4), equal(ARCH, 1, 0), end(libc::SECCOMP_RET_ALLOW), load(0)];
        for number in UNCOUNTED {
            program.extend([equal(number as u32, 0, 1), end(libc::SECCOMP_RET_ALLOW)]);
        }
        program.extend([
            load(8),
            equal(place as u32, 0, 3),
            load(12),
            equal((place >> 32) as u32, 0, 1),
            end(libc::SECCOMP_RET_ALLOW),
            end(libc::SECCOMP_RET_TRAP),
        ]);
        program
    }

    /// Has `each` run in the place of every call, before it is made. `each` must be fit for a signal handler.
    pub(super) fn install(each: fn()) -> io::Result<()> {
        EACH.get_or_init(|| each);
        // SAFETY: a zeroed sigaction is a valid one, filled in below.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = on_call as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        // SAFETY: the handler calls nothing but `each` and system calls; the pointer outlives the call.
        done(unsafe { libc::sigaction(libc::SIGSYS, &action, ptr::null_mut()) })?;
        let mut program = filter();
        let program =
            sock_fprog { len: program.len() as libc::c_ushort, filter: program.as_mut_ptr() };
        // SAFETY: sets a flag of this thread; no pointers.
        done(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
        // SAFETY: the kernel copies the program, which lives until the call returns.
        done(unsafe {
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
        })
    }

    fn done(result: libc::c_int) -> io::Result<()> {
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use std::thread;

    use nix::{
        sys::signal::{SigSet, SigmaskHow, pthread_sigmask},
        unistd::getppid,
    };

    use super::*;

    /// Runs `work` in a thread that counts, and in no other; what it counted.
    fn counting(work: impl FnOnce() + Send + 'static) -> u64 {
        let thread = thread::spawn(|| {
            start().unwrap();
            let before = of_thread();
            work();
            of_thread() - before
        });
        thread.join().unwrap()
    }

    #[test]
    fn every_call_is_counted_once_and_does_what_it_would_have_done() {
        let count = counting(|| {
            for _ in 0..100 {
                assert_eq!(getppid().as_raw().cast_unsigned(), std::os::unix::process::parent_id());
            }
        });
        assert_eq!(count, 200);
        assert_eq!(counting(|| ()), 0);
    }

    #[test]
    fn an_error_of_a_call_reaches_its_caller() {
        let count = counting(|| {
            let error = nix::unistd::close(-1).unwrap_err();
            assert_eq!(error, nix::errno::Errno::EBADF);
        });
        assert_eq!(count, 1);
    }

    #[test]
    fn reading_the_clock_is_not_counted_and_what_the_harness_calls_is_forgotten() {
        let count = counting(|| {
            for _ in 0..100 {
                crate::clock::thread_cpu_ns();
            }
            getppid();
            forget_one();
        });
        assert_eq!(count, 0);
    }

    #[test]
    fn asking_for_more_heap_is_not_counted() {
        let count = counting(|| {
            // SAFETY: asked for the end of the heap at nowhere, the kernel leaves it where it is.
            assert!(unsafe { libc::syscall(libc::SYS_brk, 0) } > 0);
            getppid();
        });
        assert_eq!(count, 1);
    }

    #[test]
    fn a_thread_that_blocks_all_signals_goes_on_counting_and_finds_its_mask_as_it_set_it() {
        let count = counting(|| {
            let mut before = SigSet::empty();
            pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))
                .unwrap();
            getppid();
            let mut now = SigSet::empty();
            pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), Some(&mut now)).unwrap();
            assert!(now.contains(nix::sys::signal::Signal::SIGUSR1));
            assert!(!before.contains(nix::sys::signal::Signal::SIGUSR1));
        });
        assert_eq!(count, 3);
    }

    #[test]
    fn the_calls_of_threads_that_a_counting_thread_starts_belong_to_the_process() {
        counting(|| {
            let before = of_process();
            thread::spawn(|| {
                (0..1_000).for_each(|_| {
                    getppid();
                })
            })
            .join()
            .unwrap();
            assert!(of_process() - before >= 1_000);
        });
    }
}
