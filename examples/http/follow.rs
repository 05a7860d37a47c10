//! Handlers that pass on what they read as soon as they have it, and say so when it was not all.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    process::Command,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use ringpipe::{PipeReader, pipe::scope};
use tiny_http::Request;

use super::{Result, chunks::Chunks, run::run, server::Serving};

const PATIENCE: Duration = Duration::from_millis(100);

pub(crate) fn all() -> Result<()> {
    line_by_line()?;
    plain_copy()?;
    cut_short()
}

/// The command says its next line only after it was told to; and it is told by the client, which has the line
/// before. With anybody collecting bytes in between, both would wait for ever.
fn line_by_line() -> Result<()> {
    let (told, tell) = ringpipe::pipe();
    let told = Arc::new(Mutex::new(Some(told)));
    let server = Serving::start(move |request: Request| {
        let told: PipeReader =
            told.lock().map_err(|_| "a panic")?.take().ok_or("one client only")?;
        let mut body = Chunks::start(request)?;
        let mut command = Command::new("sh");
        command.args(["-c", "echo line 1; while read word; do echo line $word; done"]);
        let (status, passed_on) = scope(
            |writer| run(&mut command, told, writer, PATIENCE),
            |reader| -> io::Result<()> {
                let mut buf = [0; 4096];
                while let n @ 1.. = reader.read(&mut buf)? {
                    // Flushed, as every chunk.
                    body.write_all(&buf[..n])?;
                }
                Ok(())
            },
        );
        passed_on?;
        status?;
        Ok(body.finish()?)
    })?;
    let mut response = ureq::get(server.url()).call()?;
    let mut lines = BufReader::new(response.body_mut().as_reader());
    let mut seen = Vec::new();
    for next in 2..=4 {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        seen.push(line.trim_end().to_owned());
        if next < 4 {
            writeln!(&tell, "{next}")?;
        } else {
            tell.close();
        }
    }
    assert_eq!(lines.read_to_string(&mut String::new())?, 0);
    println!("line by line: {}, each before the next was made", seen.join(", "));
    Ok(())
}

/// Where nobody waits for a line, a copy does.
fn plain_copy() -> Result<()> {
    let server = Serving::start(|request: Request| {
        let mut body = Chunks::start(request)?;
        let (status, copied) = scope(
            |writer| run(Command::new("seq").arg("1000"), io::empty(), writer, PATIENCE),
            |reader| io::copy(reader, &mut body),
        );
        status?;
        copied?;
        Ok(body.finish()?)
    })?;
    let body = ureq::get(server.url()).call()?.body_mut().read_to_string()?;
    assert!(body.lines().eq((1..=1000).map(|number| number.to_string())));
    println!("plain copy: {} lines", body.lines().count());
    Ok(())
}

/// The producer fails after two items. The client has them, and knows that they are not all.
fn cut_short() -> Result<()> {
    let (confirm, mut confirmed) = mpsc::channel();
    let server = Serving::start(move |request: Request| {
        let mut body = Chunks::start(request)?;
        let confirmed = &mut confirmed;
        let (produced, copied) = scope(
            move |writer| {
                for number in 1..=2 {
                    writeln!(writer, "item {number}")?;
                }
                // Two items are enough for the client to have seen what it could take for a whole.
                confirmed.recv().map_err(io::Error::other)?;
                Err::<(), _>(io::Error::other("the database is gone"))
            },
            |reader| io::copy(reader, &mut body),
        );
        match (produced, copied) {
            // In place of the end the reader got the producer's error; so there is no last chunk.
            (Err(_), Err(error)) => println!("cut short: the handler got {:?}", error.to_string()),
            other => return Err(format!("the producer failed, and {other:?}").into()),
        }
        Ok(())
    })?;
    let mut response = ureq::get(server.url()).call()?;
    let mut body = BufReader::new(response.body_mut().as_reader());
    let mut items = String::new();
    body.read_line(&mut items)?;
    body.read_line(&mut items)?;
    confirm.send(())?;
    let end = body.read_to_end(&mut Vec::new());
    // The handler has said what it has to say when the server is gone.
    drop(server);
    assert!(end.is_err(), "the client took two items for all there are");
    println!("cut short: the client got {items:?}, and then an error");
    Ok(())
}
