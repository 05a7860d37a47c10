//! The diagnosis of a process that has put all its threads to sleep: it names the way out where it is right, and keeps quiet
//! where anybody is left.
//!
//! Each case is a process of its own, because the harness of the standard library has threads that wait elsewhere.

use std::{
    env, fs,
    io::{self, ErrorKind, Read, Write},
    process::{Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ringpipe::{Error, PipeReader, PipeWriter, pipe};

/// Long enough for several looks of every wait.
const LONGER_THAN_PATIENCE: Duration = Duration::from_millis(450);
/// A case that has not ended by then hangs.
const LIMIT: Duration = Duration::from_secs(60);

const CASES: &[(&str, fn())] = &[
    ("a_write_without_a_reader_thread_is_diagnosed", lone_write),
    ("a_read_without_a_writer_thread_is_diagnosed", lone_read),
    ("a_wait_for_the_turn_is_diagnosed", lone_queue),
    ("a_diagnosed_pipe_works_again", works_again),
    ("an_error_comes_after_the_bytes_that_went", partial_write),
    ("threads_that_wait_for_each_other_are_diagnosed_one_by_one", cycle),
    ("the_end_of_the_last_other_thread_is_noticed", last_one_leaves),
    #[cfg(unix)]
    ("the_child_of_a_fork_counts_for_itself", fork),
    ("a_sleeping_thread_may_still_help", sleeping),
    ("a_running_thread_may_still_help", running),
    ("a_thread_blocked_in_a_channel_may_still_help", channel),
    ("a_thread_blocked_in_the_kernel_may_still_help", kernel),
    ("a_thread_with_a_deadline_may_still_help", deadline),
    ("slow_hand_overs_are_no_deadlock", slow_hand_overs),
    ("a_main_thread_that_joins_keeps_the_diagnosis_quiet", joining),
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let ["--run", name] = args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        let case = CASES.iter().find(|(case, _)| *case == name);
        let (_, case) = case.expect("a case of this name");
        case();
        return ExitCode::SUCCESS;
    }
    if !fs::exists("/proc/self/stat").unwrap_or(false) {
        eprintln!("skipped: there is no /proc/self/stat, so nothing is diagnosed");
        return ExitCode::SUCCESS;
    }
    let (mut passed, mut failed) = (0, 0);
    for (name, _) in CASES {
        if !is_wanted(name, &args) {
            continue;
        }
        match run(name) {
            Ok(()) => passed += 1,
            Err(error) => {
                eprintln!("{name}: {error}");
                failed += 1;
            }
        }
    }
    eprintln!("deadlock diagnosis: {passed} passed; {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The part of the usual harness's arguments that selects: names to run, and `--skip NAME`.
fn is_wanted(name: &str, args: &[String]) -> bool {
    let (mut asked, mut chosen) = (false, false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--skip" {
            if args.next().is_some_and(|part| name.contains(part.as_str())) {
                return false;
            }
        } else if !arg.starts_with('-') {
            asked = true;
            chosen |= name.contains(arg.as_str());
        }
    }
    chosen || !asked
}

fn run(name: &str) -> io::Result<()> {
    let mut child =
        Command::new(env::current_exe()?).args(["--run", name]).stdin(Stdio::null()).spawn()?;
    let end = Instant::now() + LIMIT;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(io::Error::other(status.to_string())),
            None if Instant::now() > end => {
                child.kill()?;
                child.wait()?;
                return Err(ErrorKind::TimedOut.into());
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn assert_diagnosed<T: std::fmt::Debug>(result: io::Result<T>, parts: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadlock);
    assert!(matches!(Error::of(&error), Some(Error::Deadlock(_))));
    let text = error.to_string();
    for part in parts.iter().chain(&[file!(), "another thread"]) {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

fn lone_write() {
    let (_reader, mut writer) = pipe();
    let start = Instant::now();
    assert_diagnosed(writer.write_all(b"hello"), &["write of 5 bytes", "0 done", "only thread"]);
    assert!(start.elapsed() >= Duration::from_millis(100));
}

fn lone_read() {
    let (mut reader, _writer) = pipe();
    assert_diagnosed(reader.read(&mut [0; 16]), &["read of 16 bytes", "only thread"]);
}

/// Two threads write to one pipe, and nobody reads: one is blocked in its write, the other one before it.
fn lone_queue() {
    let (reader, writer) = pipe();
    let results = thread::scope(|scope| {
        // The scope's own thread must not wait elsewhere, so it is one of the two.
        let other = scope.spawn(|| (&writer).write(b"b"));
        let mine = (&writer).write(b"a");
        drop(reader);
        [mine, other.join().unwrap()]
    });
    let kinds = results.each_ref().map(|result| result.as_ref().map_err(io::Error::kind));
    assert!(kinds.contains(&Err(ErrorKind::Deadlock)), "{results:?}");
}

fn works_again() {
    let (mut reader, mut writer) = pipe();
    assert_diagnosed(writer.write(b"lost"), &[]);
    let thread = thread::spawn(move || writer.write_all(b"found"));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "found");
    thread.join().unwrap().unwrap();
}

fn partial_write() {
    let (mut reader, mut writer) = pipe();
    let thread = thread::spawn(move || {
        reader.read_exact(&mut [0; 2]).unwrap();
        reader
    });
    assert_eq!(writer.write(b"hello").unwrap(), 2);
    assert_diagnosed(writer.write(b"llo"), &["write of 3 bytes", "2 passed"]);
    drop(thread.join().unwrap());
}

/// Three threads wait in a circle. Each time one is told, it wakes nobody, waits again, and another one is told.
fn cycle() {
    fn turn(mut reader: PipeReader, _writer: PipeWriter, told: &mpsc::Sender<ErrorKind>) {
        if let Err(error) = reader.read(&mut [0]) {
            told.send(error.kind()).unwrap();
        }
    }
    let (told, tellings) = mpsc::channel();
    let (a, to_a) = pipe();
    let (b, to_b) = pipe();
    let (c, to_c) = pipe();
    let threads = [
        thread::spawn({
            let told = told.clone();
            move || turn(a, to_b, &told)
        }),
        thread::spawn({
            let told = told.clone();
            move || turn(b, to_c, &told)
        }),
    ];
    turn(c, to_a, &told);
    for thread in threads {
        thread.join().unwrap();
    }
    // Who was told dropped its ends and so woke the others, one after the other, with the end of the stream.
    drop(told);
    assert_eq!(tellings.iter().collect::<Vec<_>>(), [ErrorKind::Deadlock]);
}

fn last_one_leaves() {
    let (mut reader, _writer) = pipe();
    thread::spawn(|| thread::sleep(LONGER_THAN_PATIENCE));
    let start = Instant::now();
    assert_diagnosed(reader.read(&mut [0]), &["only thread"]);
    assert!(start.elapsed() >= LONGER_THAN_PATIENCE);
}

/// The parent has a wait in its registry when it forks. The child has one thread that waits and one that helps: if the
/// inherited entry counted, both would seem to wait.
#[cfg(unix)]
fn fork() {
    let (mut reader, mut writer) = pipe();
    let waiting = thread::spawn(move || reader.read(&mut [0]).unwrap());
    thread::sleep(LONGER_THAN_PATIENCE);
    // SAFETY: the child uses pipes and threads of its own only. No thread of the parent holds a lock: one sleeps in its
    // read, and this one is here.
    let child = unsafe { libc::fork() };
    if child == 0 {
        sleeping();
        lone_write();
        // SAFETY: ends the child without running what belongs to the parent.
        unsafe { libc::_exit(0) };
    }
    let mut status = -1;
    // SAFETY: waits for the child made above; `status` is valid for the write.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    writer.write_all(b"x").unwrap();
    assert_eq!(waiting.join().unwrap(), 1);
}

/// The main thread reads without a deadline while `help`, on the only other thread, takes its time.
fn helped(help: impl FnOnce() + Send + 'static) {
    let (mut reader, mut writer) = pipe();
    let thread = thread::spawn(move || {
        help();
        writer.write_all(b"x").unwrap();
    });
    assert_eq!(reader.read(&mut [0; 4]).unwrap(), 1);
    thread.join().unwrap();
}

fn sleeping() {
    helped(|| thread::sleep(LONGER_THAN_PATIENCE));
}

fn running() {
    helped(|| {
        let end = Instant::now() + LONGER_THAN_PATIENCE;
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    });
}

fn channel() {
    let (send, receive) = mpsc::channel::<()>();
    let sleeper = thread::spawn(move || {
        thread::sleep(LONGER_THAN_PATIENCE);
        drop(send);
    });
    helped(move || {
        receive.recv().unwrap_err();
        thread::sleep(LONGER_THAN_PATIENCE);
    });
    sleeper.join().unwrap();
}

/// The only other thread reads from a process, which knows nothing of our pipes.
fn kernel() {
    helped(|| {
        let output = Command::new("sleep").arg("0.45").output().unwrap();
        assert!(output.status.success());
    });
}

/// The other thread waits on a pipe, too, but its wait ends by itself.
fn deadline() {
    helped(|| {
        let (mut reader, _writer) = pipe();
        reader.set_read_timeout(Some(LONGER_THAN_PATIENCE)).unwrap();
        assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

/// Every thread waits for about as long as it takes to look, again and again, and always one of them has something to do.
fn slow_hand_overs() {
    let (mut a, mut to_a) = pipe();
    let (mut b, mut to_b) = pipe();
    let thread = thread::spawn(move || {
        let mut buf = [0];
        while b.read(&mut buf).unwrap() > 0 {
            thread::sleep(Duration::from_millis(u64::from(buf[0])));
            to_a.write_all(&buf).unwrap();
        }
    });
    let mut buf = [0];
    for pause in 98..=103_u8 {
        for _ in 0..2 {
            to_b.write_all(&[pause]).unwrap();
            a.read_exact(&mut buf).unwrap();
        }
        thread::sleep(Duration::from_millis(u64::from(pause)));
    }
    drop(to_b);
    thread.join().unwrap();
}

/// A thread that joins is blocked elsewhere: nobody can know here what it would do afterwards.
fn joining() {
    let (mut reader, writer) = pipe();
    let control = reader.control();
    let thread = thread::spawn(move || reader.read(&mut [0]));
    thread::spawn(move || {
        thread::sleep(LONGER_THAN_PATIENCE);
        control.close();
    });
    let result = thread.join().unwrap();
    assert_eq!(result.unwrap_err().kind(), ErrorKind::BrokenPipe);
    drop(writer);
}
