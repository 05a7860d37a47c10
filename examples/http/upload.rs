//! A POST whose body is written while it is sent.

use std::{
    fs,
    io::{self, BufWriter, Read, Write},
    sync::mpsc,
    time::Duration,
};

use ringpipe::pipe::scope;
use serde_json::{Deserializer, Value, json};
use tiny_http::{Request, Response};
use ureq::SendBody;

use super::{Result, server::Serving};

pub(crate) fn all() -> Result<()> {
    documents()?;
    piece_by_piece()?;
    large()?;
    refused()
}

/// Sends what `write` writes, and gives what the server answered.
fn post<E>(
    url: &str,
    write: impl FnOnce(&mut ringpipe::PipeWriter) -> std::result::Result<(), E> + Send,
) -> (std::result::Result<(), ringpipe::Error>, std::result::Result<String, ureq::Error>)
where
    E: Into<ringpipe::error::BoxError>,
{
    scope(write, |reader| {
        let response = ureq::post(url).send(SendBody::from_reader(reader));
        // Whoever still writes is told why nobody reads any more.
        if let Err(error) = &response {
            reader.close_with_error(error.to_string());
        }
        response?.body_mut().read_to_string()
    })
}

/// An encoder writes into the pipe, whose reader is the body.
fn documents() -> Result<()> {
    let server = Serving::start(|mut request: Request| {
        let documents = Deserializer::from_reader(request.as_reader()).into_iter::<Value>();
        let names = documents
            .map(|document| Ok(document?["name"].to_string()))
            .collect::<Result<Vec<_>>>()?;
        request.respond(Response::from_string(names.join(" ")))?;
        Ok(())
    })?;
    let (written, answer) = post(&server.url(), |writer| {
        // An encoder makes many small writes; each would be a chunk of its own.
        let mut writer = BufWriter::new(writer);
        for name in ["one", "two", "three"] {
            serde_json::to_writer(&mut writer, &json!({ "name": name }))?;
        }
        writer.flush()
    });
    written?;
    println!("documents: the server read {}", answer?);
    Ok(())
}

/// The next piece is made when the server has confirmed the one before, which it could not if anybody in between
/// collected them.
fn piece_by_piece() -> Result<()> {
    let (confirm, confirmed) = mpsc::channel();
    let server = Serving::start(move |mut request: Request| {
        let mut piece = [0; 100];
        loop {
            match request.as_reader().read(&mut piece)? {
                0 => break,
                n => confirm.send(String::from_utf8(piece[..n].to_vec())?)?,
            }
        }
        request.respond(Response::from_string("all of it"))?;
        Ok(())
    })?;
    let (written, answer) = post(&server.url(), move |writer| {
        for number in 1..=5 {
            let piece = format!("piece {number}");
            writer.write_all(piece.as_bytes())?;
            let got = confirmed.recv_timeout(Duration::from_secs(10)).map_err(io::Error::other)?;
            assert_eq!(got, piece);
        }
        io::Result::Ok(())
    });
    written?;
    println!(
        "piece by piece: 5 pieces, each confirmed before the next; the server says {:?}",
        answer?
    );
    Ok(())
}

/// A body that would not fit, and need not: what is sent is gone.
fn large() -> Result<()> {
    const SIZE: u64 = 256 << 20;
    let server = Serving::start(|mut request: Request| {
        let bytes = io::copy(request.as_reader(), &mut io::sink())?;
        request.respond(Response::from_string(bytes.to_string()))?;
        Ok(())
    })?;
    let before = memory("VmRSS:")?;
    let (written, answer) = post(&server.url(), |writer| {
        io::copy(
            &mut io::repeat(b'x').take(SIZE),
            &mut BufWriter::with_capacity(64 << 10, writer),
        )?;
        io::Result::Ok(())
    });
    written?;
    assert_eq!(answer?.parse(), Ok(SIZE));
    let grown = memory("VmHWM:")?.saturating_sub(before);
    assert!(grown < 8 << 20, "client and server together grew by {grown} bytes");
    println!("large: {} MiB sent, and memory grew by less than 8 MiB", SIZE >> 20);
    Ok(())
}

/// What this process has in memory now (`VmRSS:`), or had at most (`VmHWM:`), in bytes.
fn memory(what: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)).ok_or("no such line")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib << 10)
}

/// Who is refused finds out by a write that fails, instead of one that hangs.
fn refused() -> Result<()> {
    let server = Serving::start(|mut request: Request| {
        request.as_reader().read_exact(&mut [0; 1000])?;
        refuse(request)
    })?;
    let (written, answer) = post(&server.url(), |writer| {
        let piece = [b'x'; 4096];
        loop {
            writer.write_all(&piece)?;
        }
        #[expect(unreachable_code, reason = "says what the closure may fail with")]
        io::Result::Ok(())
    });
    let written = written.expect_err("nobody read to the end").to_string();
    let answer = answer.expect_err("it was refused").to_string();
    assert_eq!(written, answer);
    println!("refused: the next write failed, and with what the request failed with");
    Ok(())
}

fn refuse(request: Request) -> Result<()> {
    request.respond(Response::from_string("too much").with_status_code(413))?;
    Ok(())
}
