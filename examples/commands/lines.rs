//! A child process whose output and errors end up in one place, and no line of one tears a line of the other.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    process::{Command, ExitStatus, Stdio},
    thread,
};

/// Runs `command`, and gives its output and its errors to the same writer, in whole lines.
///
/// # Errors
/// What the system said, and what `output` failed with.
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
