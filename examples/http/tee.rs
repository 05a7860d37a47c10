//! A file that goes two ways at once.

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    thread,
    time::Duration,
};

use ringpipe::pipe::{pipe, scope, tee};
use tiny_http::{Request, Response};
use ureq::SendBody;

use super::{Result, server::Serving};

pub(crate) fn all() -> Result<()> {
    to_the_output()?;
    of_every_size()?;
    who_stalls_and_who_leaves()
}

/// A server that answers with what it was sent.
fn mirror() -> Result<Serving> {
    Serving::start(|mut request: Request| {
        let mut body = Vec::new();
        request.as_reader().read_to_end(&mut body)?;
        request.respond(Response::from_data(body))?;
        Ok(())
    })
}

/// Reads `file` to its end into `output`, and what is read goes to the server as well; gives what the server got.
fn both_ways(
    file: impl Read + Send,
    url: &str,
    output: &mut (impl Write + Send),
) -> Result<Vec<u8>> {
    let (copied, echoed) = scope(
        |writer| io::copy(&mut tee(file, writer), output),
        |reader| ureq::post(url).send(SendBody::from_reader(reader)),
    );
    copied?;
    Ok(echoed?.body_mut().with_config().limit(64 << 20).read_to_vec()?)
}

fn to_the_output() -> Result<()> {
    let server = mirror()?;
    let text = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/LICENSE-MIT"))?;
    let sent = both_ways(text.take(12), &server.url(), &mut io::stdout())?;
    println!("\nthe server got {:?}", String::from_utf8(sent)?);
    Ok(())
}

/// Around the size of a copy's buffer and far beyond it.
fn of_every_size() -> Result<()> {
    let server = mirror()?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("file");
    let around = |size: usize| [size - 1, size, size + 1];
    for size in around(32 << 10).into_iter().chain(around(10 << 20)) {
        let content: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &content)?;
        let mut shown = Vec::new();
        let sent = both_ways(File::open(&path)?, &server.url(), &mut shown)?;
        assert!(sent == content && shown == content);
        println!("{size} bytes to the server and to the output, the same");
    }
    Ok(())
}

/// There is no buffer between the two ways: the slower one sets the pace, and one that fails ends both.
fn who_stalls_and_who_leaves() -> Result<()> {
    let (reader, writer) = pipe();
    writer.set_write_timeout(Some(Duration::from_millis(20)))?;
    let mut both = tee(io::repeat(b'x'), &writer);
    let stalled = both.read(&mut [0; 100]).expect_err("nobody takes the other way");
    assert_eq!(stalled.kind(), ErrorKind::TimedOut);
    println!("while one does not read, the other waits");

    writer.set_write_timeout(None)?;
    thread::scope(|threads| {
        threads.spawn(|| {
            let mut reader = reader;
            reader.read_exact(&mut [0; 100])?;
            reader.close_with_error("the upload was refused");
            io::Result::Ok(())
        });
        let error = io::copy(&mut both, &mut io::sink()).expect_err("one way is closed");
        println!("when it closes, the other ends: {error}");
    });
    Ok(())
}
