//! A process that can be stopped behind any instruction, and killed there.
//!
//! The way through a call is recorded once, instruction by instruction. Any state of it is reached again at full speed, with the
//! processor's breakpoint at that instruction and as many hits as it takes. The process is a fork of this one, so that
//! addresses stay.

use std::{
    arch::asm,
    fs,
    hint::black_box,
    io, mem,
    ops::Range,
    os::raw::{c_int, c_long, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::{Duration, Instant},
};

/// Stops the tracee at the instruction behind.
#[inline(always)]
pub(crate) fn mark() {
    // SAFETY: a tracer waits for it, and lets the program go on.
    unsafe { asm!("int3") };
}

/// The first byte of `int3`, and the two of `syscall`.
const INT3: c_long = 0xcc;
const SYSCALL: c_long = 0x050f;

/// How long a victim that was woken may take to its breakpoint. One that takes longer is tried again.
const ASTRAY: Duration = Duration::from_millis(500);

/// A forked child, stopped wherever it was last told to go.
#[derive(Debug)]
pub(crate) struct Tracee(libc::pid_t);

/// Why the tracee does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// A mark, a step or a breakpoint.
    Trap,
    /// In `futex`, until somebody wakes it.
    Asleep,
    /// A signal that somebody else sent. It never gets it, but a sleep that it ended begins anew.
    Signal,
}

/// Where a tracee was that did not come to its breakpoint as often as the last one. A sleep that ended by its own time leads
/// another way, and so does a signal.
#[derive(Debug)]
#[expect(dead_code, reason = "to be printed")]
pub(crate) struct Astray {
    from: usize,
    to: usize,
    hit: usize,
    hits: usize,
    stop: Option<Stop>,
    at: Option<u64>,
}

/// The instructions between two marks, in the order in which they are executed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The address of the next instruction, in each state; the last one is the mark.
    next: Vec<u64>,
    /// States whose next instruction is a system call that sleeps.
    sleeps: Vec<usize>,
}

impl Route {
    /// How many states there are: one more than instructions.
    pub(crate) fn states(&self) -> usize {
        self.next.len()
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = u64> + '_ {
        self.next.iter().copied()
    }
}

impl Tracee {
    /// Runs `child` in a fork of this process.
    pub(crate) fn start(child: impl FnOnce()) -> Self {
        // SAFETY: the child allocates, which glibc allows after fork, and leaves by `_exit`.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", io::Error::last_os_error()),
            0 => {
                let traced = try_request(libc::PTRACE_TRACEME, 0, 0, 0).is_ok();
                let done = traced && catch_unwind(AssertUnwindSafe(child)).is_ok();
                // SAFETY: ends the process without running what belongs to the parent.
                unsafe { libc::_exit((!done).into()) }
            }
            pid => Self(pid),
        }
    }

    pub(crate) fn wait_for_mark(&self) {
        while self.wait() == Stop::Signal {
            self.go_on();
        }
        // Should this process die, so shall it.
        request(libc::PTRACE_SETOPTIONS, self.0, 0, libc::PTRACE_O_EXITKILL as u64);
    }

    pub(crate) fn go_on(&self) {
        self.resume(libc::PTRACE_CONT);
    }

    fn resume(&self, how: libc::c_uint) {
        request(how, self.0, 0, 0);
    }

    /// Goes from here to the next mark, step by step. `asleep` is called when it sleeps, to wake it. None if it was disturbed.
    pub(crate) fn record(&self, mut asleep: impl FnMut()) -> Option<Route> {
        let mut route = Route { next: Vec::new(), sleeps: Vec::new() };
        let clock = vdso();
        loop {
            let at = self.next_instruction();
            // What repeats itself, such as a copy of any length, is one instruction, and so is reading the clock, which
            // begins anew when the kernel writes it meanwhile.
            if route.next.last() != Some(&at) && !clock.contains(&at) {
                route.next.push(at);
            }
            let code = request(libc::PTRACE_PEEKTEXT, self.0, at, 0);
            if code & 0xff == INT3 {
                return Some(route);
            }
            self.resume(libc::PTRACE_SINGLESTEP);
            let mut stop =
                if code & 0xffff == SYSCALL { self.wait_or_sleep() } else { self.wait() };
            if stop == Stop::Asleep {
                route.sleeps.push(route.next.len() - 1);
                asleep();
                stop = self.wait();
            }
            if stop != Stop::Trap {
                return None;
            }
        }
    }

    /// Goes from the first state of `route` to `state`.
    pub(crate) fn go(
        &self,
        route: &Route,
        state: usize,
        mut asleep: impl FnMut(),
    ) -> Result<(), Astray> {
        let mut here = 0;
        for &sleep in route.sleeps.iter().filter(|sleep| **sleep < state) {
            self.run(route, here, sleep, &mut asleep)?;
            here = sleep;
        }
        self.run(route, here, state, &mut asleep)
    }

    fn run(
        &self,
        route: &Route,
        from: usize,
        to: usize,
        asleep: &mut impl FnMut(),
    ) -> Result<(), Astray> {
        if from == to {
            return Ok(());
        }
        let address = route.next[to];
        // Behind a mark, a breakpoint right there is one more hit; behind a breakpoint it is not.
        let first = if from == 0 { 0 } else { from + 1 };
        let hits = route.next[first..=to].iter().filter(|at| **at == address).count();
        self.break_at(address).unwrap();
        for hit in 0..hits {
            self.resume(libc::PTRACE_CONT);
            let stop = if hit == 0 && route.sleeps.contains(&from) {
                match self.wait_or_sleep() {
                    Stop::Asleep => {
                        asleep();
                        self.wait_for_a_while()
                    }
                    stop => Some(stop),
                }
            } else {
                self.wait_for_a_while()
            };
            let at = (stop == Some(Stop::Trap)).then(|| self.next_instruction());
            if at != Some(address) {
                return Err(Astray { from, to, hit, hits, stop, at });
            }
        }
        Ok(())
    }

    fn next_instruction(&self) -> u64 {
        // SAFETY: plain numbers.
        let mut registers: libc::user_regs_struct = unsafe { mem::zeroed() };
        request(libc::PTRACE_GETREGS, self.0, 0, (&raw mut registers) as u64);
        registers.rip
    }

    /// Has the processor stop in front of the instruction at `address`, and nowhere else.
    fn break_at(&self, address: u64) -> io::Result<()> {
        let register = |n: usize| {
            (mem::offset_of!(libc::user, u_debugreg) + n * mem::size_of::<c_long>()) as u64
        };
        // The register that says which are in force; then the address; then the first is, for executing.
        for (n, value) in [(7, 0), (0, address), (7, 1)] {
            try_request(libc::PTRACE_POKEUSER, self.0, register(n), value)?;
        }
        Ok(())
    }

    /// Waits until it has stopped.
    fn wait(&self) -> Stop {
        self.wait_with(0).expect("a wait without a time limit")
    }

    /// Waits until it has stopped, unless that takes so long that it must have gone astray, into a sleep that nobody ends.
    fn wait_for_a_while(&self) -> Option<Stop> {
        let start = Instant::now();
        while start.elapsed() < ASTRAY {
            if let Some(stop) = self.wait_with(libc::WNOHANG) {
                return Some(stop);
            }
            thread::yield_now();
        }
        None
    }

    /// Waits until it has stopped or sleeps.
    fn wait_or_sleep(&self) -> Stop {
        loop {
            if let Some(stop) = self.wait_with(libc::WNOHANG) {
                return stop;
            }
            if sleeps(&format!("/proc/{}/syscall", self.0)) {
                // One that has stopped behind the call meanwhile looks the same.
                return self.wait_with(libc::WNOHANG).unwrap_or(Stop::Asleep);
            }
            thread::yield_now();
        }
    }

    fn wait_with(&self, flags: c_int) -> Option<Stop> {
        let mut status = 0;
        // SAFETY: room for the status.
        match unsafe { libc::waitpid(self.0, &raw mut status, flags) } {
            0 => None,
            -1 => panic!("waitpid: {}", io::Error::last_os_error()),
            _ if !libc::WIFSTOPPED(status) => panic!("the victim has ended: status {status:#x}"),
            _ if libc::WSTOPSIG(status) == libc::SIGTRAP => Some(Stop::Trap),
            _ => Some(Stop::Signal),
        }
    }

    /// Kills it where it is.
    pub(crate) fn kill(self) {
        let mut status = 0;
        // SAFETY: a child that nobody else waits for; room for the status.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            assert_eq!(libc::waitpid(self.0, &raw mut status, 0), self.0);
        }
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL);
    }
}

/// Whether a process can be stopped at an instruction here. Containers may forbid tracing, and simulated processors may
/// have no breakpoints.
pub(crate) fn can_stop() -> bool {
    #[inline(never)]
    fn landing() {
        black_box(());
    }
    let tracee = Tracee::start(|| {
        mark();
        black_box(landing as fn())();
        mark();
    });
    let mut status = 0;
    // SAFETY: a child that nobody else waits for; room for the status.
    unsafe { assert_eq!(libc::waitpid(tracee.0, &raw mut status, 0), tracee.0) };
    if !libc::WIFSTOPPED(status) {
        return false;
    }
    let address = landing as fn() as usize as u64;
    let stops = tracee.break_at(address).is_ok() && {
        tracee.go_on();
        tracee.wait() == Stop::Trap && tracee.next_instruction() == address
    };
    tracee.kill();
    stops
}

/// Where the kernel has put its own code into this process: that for reading the clock.
fn vdso() -> Range<u64> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let range = maps.lines().find(|line| line.ends_with("[vdso]")).and_then(|line| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
    });
    range.unwrap_or_default()
}

/// Whether the thread with this file of its system call sleeps on a futex.
pub(crate) fn sleeps(syscall: &str) -> bool {
    let number = libc::SYS_futex.to_string();
    fs::read_to_string(syscall).is_ok_and(|call| call.split(' ').next() == Some(&*number))
}

fn request(request: libc::c_uint, pid: libc::pid_t, address: u64, data: u64) -> c_long {
    try_request(request, pid, address, data).unwrap_or_else(|e| panic!("ptrace({request}): {e}"))
}

fn try_request(
    request: libc::c_uint,
    pid: libc::pid_t,
    address: u64,
    data: u64,
) -> io::Result<c_long> {
    // Some requests return any number; only this tells an error.
    // SAFETY: of the thread.
    unsafe { *libc::__errno_location() = 0 };
    // SAFETY: the process is a child of ours, and `data` is a number or leads to room for the result.
    let result = unsafe { libc::ptrace(request, pid, address as *mut c_void, data as *mut c_void) };
    let error = io::Error::last_os_error();
    if result == -1 && error.raw_os_error() != Some(0) { Err(error) } else { Ok(result) }
}
