//! A child process whose streams are whatever reads and writes here.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

/// Runs `command` with `input` as its standard input and gives what it says to `output`.
///
/// It returns when the command has ended and its output is copied. Should somebody the command left behind keep the
/// output open, that is waited for no longer than `patience`. If `output` fails, because nobody wants more, the
/// command hears of it as every command does: by a broken pipe.
///
/// # Errors
/// What the system said, what `input` failed with, and what `output` failed with unless that is a broken pipe.
pub(crate) fn run(
    command: &mut Command,
    mut input: impl Read + Send,
    mut output: impl Write + Send,
    patience: Duration,
) -> io::Result<ExitStatus> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (gone, goes) = UnixStream::pair()?;
    thread::scope(|threads| {
        let feeding = threads.spawn(move || match stdin {
            Some(mut stdin) => some_may_leave(io::copy(&mut input, &mut stdin)),
            None => Ok(0),
        });
        let taking = threads.spawn(move || match stdout {
            Some(stdout) => {
                let mut stdout = UntilGone { stdout, gone, patience, deadline: None };
                some_may_leave(io::copy(&mut stdout, &mut output))
            }
            None => Ok(0),
        });
        let status = wait(child, goes);
        feeding.join().expect("copying does not panic")?;
        taking.join().expect("copying does not panic")?;
        status
    })
}

/// The same for output and errors together, in whole lines, of which no one is torn by another.
pub(crate) fn run_lines<'a, W>(command: &mut Command, output: &'a W) -> io::Result<ExitStatus>
where
    W: Sync,
    &'a W: Write,
{
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|threads| {
        let out = threads.spawn(move || copy_lines(stdout, output));
        let err = threads.spawn(move || copy_lines(stderr, output));
        let status = child.wait();
        out.join().expect("copying does not panic")?;
        err.join().expect("copying does not panic")?;
        status
    })
}

/// One write for each line: the writes of several threads to one pipe follow each other and never mix.
fn copy_lines(stream: Option<impl Read>, mut output: impl Write) -> io::Result<()> {
    let Some(stream) = stream else {
        return Ok(());
    };
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while stream.read_until(b'\n', &mut line)? > 0 {
        output.write_all(&line)?;
        line.clear();
    }
    Ok(())
}

/// Waits for the child, and then lets go of `goes`.
fn wait(mut child: Child, goes: UnixStream) -> io::Result<ExitStatus> {
    let status = child.wait();
    drop(goes);
    status
}

/// Whoever reads no more has its reasons, and says so by hanging up.
fn some_may_leave(copied: io::Result<u64>) -> io::Result<u64> {
    match copied {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        copied => copied,
    }
}

/// The output of a child: until its end, or for so long after the child's.
struct UntilGone<R> {
    stdout: R,
    /// Hung up when the child is gone.
    gone: UnixStream,
    patience: Duration,
    deadline: Option<Instant>,
}

impl<R: Read + AsFd> Read for UntilGone<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut streams = [
                PollFd::new(self.stdout.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.gone.as_fd(), PollFlags::POLLIN),
            ];
            let ready = match self.deadline {
                None => poll(&mut streams, PollTimeout::NONE),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    // Rounded up: to wait for no time at all is not to wait until the deadline.
                    let millis = left.as_nanos().div_ceil(1_000_000);
                    poll(&mut streams[..1], u16::try_from(millis).unwrap_or(u16::MAX))
                }
            };
            match ready {
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
                Ok(_) if streams[0].any() == Some(true) => return self.stdout.read(buf),
                Ok(_) if self.deadline.is_none() => {
                    self.deadline = Some(Instant::now() + self.patience);
                }
                Ok(_) if self.deadline <= Some(Instant::now()) => return Ok(0),
                Ok(_) => {}
            }
        }
    }
}
