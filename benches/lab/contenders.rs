//! Who takes part.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    thread,
};

use ringpipe::{Options, Reader, Wait, Writer};

use super::pattern::{check, fill};

/// The sending side of a contender.
pub(crate) trait Send {
    fn send(&mut self, message: &[u8]);
    /// Sends message `number`, for which there is a buffer.
    #[inline]
    fn send_number(&mut self, number: u64, buffer: &mut [u8]) {
        fill(buffer, number);
        self.send(buffer);
    }
    /// Nothing more comes for now.
    fn flush(&mut self) {}
}

/// The receiving side.
pub(crate) trait Receive {
    fn recv(&mut self, message: &mut [u8]);
    /// Receives message `number`, for which there is a buffer, and compares it.
    #[inline]
    fn recv_number(&mut self, number: u64, buffer: &mut [u8]) {
        self.recv(buffer);
        check(buffer, number);
    }
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

/// The ends of a ring through `Writer::reserve` and `Reader::peek`.
#[derive(Debug)]
pub(crate) struct InPlace<T>(pub(crate) T);

impl Send for InPlace<Writer> {
    fn send(&mut self, message: &[u8]) {
        self.0.write_all(message).expect("room");
    }

    #[inline]
    fn send_number(&mut self, number: u64, buffer: &mut [u8]) {
        let mut grant = self.0.reserve(buffer.len()).expect("room");
        // SAFETY: the other end is this program's, and touches nothing that is not published.
        fill(unsafe { grant.as_mut_slice_trusting() }.expect("one piece"), number);
        grant.commit(buffer.len()).expect("a reader");
    }
}

impl Receive for InPlace<Reader> {
    fn recv(&mut self, message: &mut [u8]) {
        self.0.read_exact(message).expect("bytes");
    }

    #[inline]
    fn recv_number(&mut self, number: u64, buffer: &mut [u8]) {
        let span = self.0.peek().expect("bytes");
        // SAFETY: the other end is this program's, and touches nothing that is published.
        check(unsafe { &span.as_slice_trusting()[..buffer.len()] }, number);
        self.0.consume(buffer.len());
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
