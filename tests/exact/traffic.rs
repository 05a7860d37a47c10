//! Messages through a ring while the peer keeps up: one thread has both ends and takes out what it put in.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    thread,
};

use ringpipe::{Options, Reader, Stream, Writer};

const CAPACITY: usize = 1 << 20;
pub(crate) const SIZES: [usize; 5] = [1, 64, 1_024, 4_096, 65_536];

/// One way to move messages of one size.
pub(crate) struct Case {
    pub(crate) name: String,
    reader: Reader,
    writer: Writer,
    /// For whatever else must stay open.
    _rest: Option<(Stream, Stream)>,
    message: Vec<u8>,
    reply: Vec<u8>,
    verb: fn(&mut Reader, &mut Writer, &[u8], &mut [u8]),
}

/// A name, and how a message is moved.
type Verb = (&'static str, fn(&mut Reader, &mut Writer, &[u8], &mut [u8]));

const VERBS: [Verb; 4] = [
    ("write and read", |reader, writer, message, reply| {
        writer.write_all(message).unwrap();
        reader.read_exact(reply).unwrap();
    }),
    ("try_write and try_read", |reader, writer, message, reply| {
        assert_eq!(writer.try_write(message).unwrap(), message.len());
        assert_eq!(reader.try_read(reply).unwrap(), reply.len());
    }),
    ("send and recv", |reader, writer, message, reply| {
        writer.send(message).unwrap();
        assert_eq!(reader.recv(reply).unwrap(), Some(message.len()));
    }),
    ("reserve and peek", |reader, writer, message, reply| {
        let mut grant = writer.reserve(message.len()).unwrap();
        grant.write_all(message).unwrap();
        grant.commit(message.len()).unwrap();
        assert_eq!(reader.peek().unwrap().copy_to(0, reply), reply.len());
        reader.consume(reply.len());
    }),
];

impl Case {
    /// Moves `count` messages and compares each.
    pub(crate) fn run(&mut self, count: usize) {
        for number in 0..count {
            self.message.fill(number as u8);
            (self.verb)(&mut self.reader, &mut self.writer, &self.message, &mut self.reply);
            assert!(self.message == self.reply, "{}: message {number}", self.name);
        }
    }
}

/// Both ends of a ring in one process, and of one between strangers; every verb; every size.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (verb_name, verb) in VERBS {
        for size in SIZES {
            let message = vec![0; size];
            let case = |kind: &str, reader, writer, rest| Case {
                name: format!("{verb_name}, {size} B, {kind}"),
                reader,
                writer,
                _rest: rest,
                message: message.clone(),
                reply: message.clone(),
                verb,
            };
            let (reader, writer) = Options::new().capacity(CAPACITY).ring().unwrap();
            cases.push(case("one process", reader, writer, None));
            let (ours, theirs) = strangers();
            let (_, writer) = ours.split();
            let (reader, _) = theirs.split();
            cases.push(case("strangers", reader, writer, None));
        }
    }
    cases
}

/// Two ends that met over a socket, as those of two processes do.
fn strangers() -> (Stream, Stream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let options = Options::new().capacity(CAPACITY);
    let accepted = {
        let options = options.clone();
        thread::spawn(move || options.accept_on(theirs).unwrap())
    };
    (options.connect_on(ours).unwrap(), accepted.join().unwrap())
}
