//! Who takes part.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    thread,
};

use ringpipe::{Options, Reader, Wait, Writer};

/// The sending side of a contender.
pub(crate) trait Send {
    fn send(&mut self, message: &[u8]);
    /// Nothing more comes for now.
    fn flush(&mut self) {}
}

/// The receiving side.
pub(crate) trait Receive {
    fn recv(&mut self, message: &mut [u8]);
}

impl Send for Writer {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        self.write_all(message).expect("room");
    }
}

impl Receive for Reader {
    #[inline]
    fn recv(&mut self, message: &mut [u8]) {
        self.read_exact(message).expect("bytes");
    }
}

/// The ends of a ring through `Writer::send` and `Reader::recv`.
#[derive(Debug)]
pub(crate) struct Messages<T>(pub(crate) T);

impl Send for Messages<Writer> {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        self.0.send(message).expect("room");
    }
}

impl Receive for Messages<Reader> {
    #[inline]
    fn recv(&mut self, message: &mut [u8]) {
        let length = self.0.recv(message).expect("a message");
        assert_eq!(length, Some(message.len()));
    }
}

/// The ends of a kernel's channel.
#[derive(Debug)]
pub(crate) struct Kernel<T>(pub(crate) T);

impl<T: Write> Send for Kernel<T> {
    fn send(&mut self, message: &[u8]) {
        self.0.write_all(message).expect("room");
    }
}

impl<T: Read> Receive for Kernel<T> {
    fn recv(&mut self, message: &mut [u8]) {
        self.0.read_exact(message).expect("bytes");
    }
}

/// A ring as `ringpipe::ring` makes it, but for what is said here.
pub(crate) fn ring(capacity: usize, wait: Wait) -> (Writer, Reader) {
    let (reader, writer) = Options::new().capacity(capacity).wait(wait).ring().expect("a ring");
    (writer, reader)
}

/// One direction of a stream, whose memory is that of a ring between strangers.
pub(crate) fn stream(capacity: usize) -> ((Writer, Reader), (Writer, Reader)) {
    let (here, there) = UnixStream::pair().expect("a socket pair");
    let options = Options::new().capacity(capacity);
    let other = {
        let options = options.clone();
        thread::spawn(move || options.connect_on(there).expect("a stream"))
    };
    let (back, out) = options.accept_on(here).expect("a stream").split();
    let (read, answer) = other.join().expect("the other side").split();
    ((out, read), (answer, back))
}
