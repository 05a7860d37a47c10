//! A response body in chunks, each of which is on its way as soon as it is written.

use std::io::{self, Write};

use tiny_http::Request;

/// The body of a response. Every write is a chunk of its own, and flushed.
///
/// The client knows a body in chunks to be complete by its last one. Without [`finish`](Self::finish) there is none, and in its
/// place something that is no chunk, so that no client waits for the rest or takes what it has for all of it.
pub(crate) struct Chunks {
    client: Box<dyn Write + Send>,
    finished: bool,
}

impl Chunks {
    pub(crate) fn start(request: Request) -> io::Result<Self> {
        let mut client = request.into_writer();
        client.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        client.flush()?;
        Ok(Self { client, finished: false })
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.finished = true;
        self.client.write_all(b"0\r\n\r\n")?;
        self.client.flush()
    }
}

impl Write for Chunks {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        // A chunk of no bytes would be the last.
        if !buf.is_empty() {
            write!(self.client, "{:x}\r\n", buf.len())?;
            self.client.write_all(buf)?;
            self.client.write_all(b"\r\n")?;
            self.client.flush()?;
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.client.flush()
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        if !self.finished {
            // A client that has left hears of nothing anyway.
            let _ = self.client.write_all(b"the body ends before its end\r\n");
            let _ = self.client.flush();
        }
    }
}
