//! How streams end, and how whoever is on the other side learns of it: the reader gone, the writer gone, and failures
//! that are no ends.
//!
//! ```text
//! cargo run --example endings
//! ```

use std::{
    error::Error,
    fs,
    io::{self, BufWriter, Read, Write},
    panic, thread,
};

use ringpipe::pipe::{WriterPanicked, scope};
use serde::Serialize;
use serde_json::Deserializer;

fn main() -> Result<(), Box<dyn Error>> {
    reader_gone()?;
    writer_dropped()?;
    writer_panicked()?;
    encoder_fails()
}

/// A writer that is blocked wakes when the reader goes, and its thread ends.
fn reader_gone() -> Result<(), Box<dyn Error>> {
    let threads_before = threads()?;
    let error = thread::scope(|threads| {
        let (reader, mut writer) = ringpipe::pipe();
        let blocked = threads.spawn(move || writer.write_all(b"does anybody listen?"));
        drop(reader);
        blocked.join().expect("writing does not panic")
    });
    let error = error.expect_err("nobody reads");
    // A thread that has been waited for is off the list a moment later.
    while threads()? != threads_before {
        thread::yield_now();
    }
    println!("reader gone: the writer gets {:?}, and no thread stays", error.to_string());
    Ok(())
}

fn threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

/// Who drops the writer without closing it has closed it.
fn writer_dropped() -> Result<(), Box<dyn Error>> {
    let (reader, mut writer) = ringpipe::pipe();
    let text = thread::scope(|threads| {
        threads.spawn(move || {
            let _ = writer.write_all(b"all there is");
        });
        io::read_to_string(reader)
    })?;
    println!("writer dropped: the reader gets {text:?} and the end");
    Ok(())
}

/// Who panics has not said all there is to say; the reader must not take it for the end.
fn writer_panicked() -> Result<(), Box<dyn Error>> {
    let (mut reader, mut writer) = ringpipe::pipe();
    let mut text = String::new();
    let result = thread::scope(|threads| {
        let writing = threads.spawn(move || -> io::Result<()> {
            writer.write_all(b"half of")?;
            // As `panic!`, without a message on the terminal.
            panic::resume_unwind(Box::new("on purpose"))
        });
        let result = reader.read_to_string(&mut text);
        writing.join().expect_err("it panics");
        result
    });
    let error = result.expect_err("it was not all");
    assert!(ringpipe::Error::cause::<WriterPanicked>(&error).is_some());
    println!("writer panicked: the reader gets {text:?} and {:?}", error.to_string());
    Ok(())
}

#[derive(Debug)]
struct Document(usize);

impl Serialize for Document {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 50 {
            return Err(serde::ser::Error::custom("document 50 cannot be written"));
        }
        serializer.serialize_u64(self.0 as u64)
    }
}

/// An encoder of a hundred documents fails at number 50: the reader gets 0 to 49, and then that error.
fn encoder_fails() -> Result<(), Box<dyn Error>> {
    let mut got = Vec::new();
    let (written, result) = scope(
        |writer| {
            let mut writer = BufWriter::new(writer);
            for number in 0..100 {
                let encoded = serde_json::to_writer(&mut writer, &Document(number));
                // What was written before is no worse for it.
                writer.write_all(b"\n")?;
                writer.flush()?;
                encoded?;
            }
            io::Result::Ok(())
        },
        |reader| {
            for document in Deserializer::from_reader(reader).into_iter::<usize>() {
                got.push(document?);
            }
            serde_json::Result::Ok(())
        },
    );
    let error = result.expect_err("the encoder failed");
    assert!(got.iter().copied().eq(0..50));
    assert_eq!(error.to_string(), written.expect_err("it failed").to_string());
    println!(
        "encoder fails: the reader gets {} documents and then {:?}",
        got.len(),
        error.to_string()
    );
    Ok(())
}
