//! A ring as plainly as its rules read, with the verbs that only a ring has. One thread has both ends, so a call that
//! would wait for the other end has nothing to wait for and is late.

use std::collections::VecDeque;

/// What a call may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Good {
    Bytes(Vec<u8>),
    Count(usize),
    Message(Option<Vec<u8>>),
    Length(Option<usize>),
    Done,
}

/// What it may fail with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    WouldBlock,
    Timeout,
    Closed,
    ClosedWith(String),
    Corrupt,
    Invalid,
    UnexpectedEof,
    /// Nothing that a ring in order says.
    Other(String),
}

pub(crate) type Answer = Result<Good, Bad>;

/// A rule that is broken on purpose, to show that somebody notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    OneByteOfRoomIsLost,
    CommitPublishesAllThatWasReserved,
    SmallBufferLosesTheMessage,
    BrokenOffMessageLooksLikeTheEnd,
    FinishForgetsTheUnread,
    TimedOutFinishLeavesTheStreamOpen,
    LongMessageStartsAnew,
}

impl Fault {
    pub(crate) const ALL: [Self; 7] = [
        Self::OneByteOfRoomIsLost,
        Self::CommitPublishesAllThatWasReserved,
        Self::SmallBufferLosesTheMessage,
        Self::BrokenOffMessageLooksLikeTheEnd,
        Self::FinishForgetsTheUnread,
        Self::TimedOutFinishLeavesTheStreamOpen,
        Self::LongMessageStartsAnew,
    ];
}

/// What an end was closed with: nothing, or an error of this text.
type Word = Option<String>;

/// What belongs to one end.
#[derive(Debug, Default)]
pub(crate) struct End {
    /// The last word that the other end hears.
    word: Option<Word>,
    /// The end itself takes no more calls; a writer that finishes has said its word before.
    closed: bool,
    pub(crate) late: bool,
    pub(crate) polls: bool,
    /// Bytes and messages that went through it.
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
}

impl End {
    pub(crate) fn close(&mut self, word: Word) {
        self.word.get_or_insert(word);
        self.closed = true;
    }

    /// The answer to a call that has to wait.
    fn wait(&self, block: bool) -> Bad {
        if !self.late && (self.polls || !block) { Bad::WouldBlock } else { Bad::Timeout }
    }
}

/// Both ends and what lies between them.
#[derive(Debug)]
pub(crate) struct Plain {
    capacity: usize,
    max_message: usize,
    fault: Option<Fault>,
    there: VecDeque<u8>,
    pub(crate) reader: End,
    pub(crate) writer: End,
    /// The reader has met what is no message.
    corrupt: bool,
    /// Messages longer than the ring that are under way: how long, and how much of it went in or came out.
    sending: Option<(usize, usize)>,
    receiving: Option<(usize, Vec<u8>)>,
}

const HEADER: usize = 4;

impl Plain {
    pub(crate) fn new(capacity: usize, max_message: usize, fault: Option<Fault>) -> Self {
        Self {
            capacity,
            max_message,
            fault,
            there: VecDeque::new(),
            reader: End::default(),
            writer: End::default(),
            corrupt: false,
            sending: None,
            receiving: None,
        }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Whether a descriptor of the reader, or of the writer, has to be readable.
    pub(crate) fn reader_is_ready(&self) -> bool {
        self.reader.closed || self.corrupt || self.writer.word.is_some() || !self.there.is_empty()
    }

    pub(crate) fn writer_is_ready(&self) -> bool {
        self.writer.closed || self.reader.word.is_some() || self.room() > 0
    }

    fn room(&self) -> usize {
        let lost = usize::from(self.is(Fault::OneByteOfRoomIsLost));
        (self.capacity - lost).saturating_sub(self.there.len())
    }

    /// How many bytes are there, at least `need` unless the stream ends before.
    fn readable(&self, need: usize, block: bool) -> Result<usize, Bad> {
        if self.reader.closed {
            return Err(Bad::Closed);
        }
        if self.corrupt {
            return Err(Bad::Corrupt);
        }
        match &self.writer.word {
            Some(Some(text)) if self.there.is_empty() => Err(Bad::ClosedWith(text.clone())),
            Some(None) if self.there.is_empty() => Ok(0),
            word if !self.reader.late && (word.is_some() || self.there.len() >= need) => {
                Ok(self.there.len())
            }
            _ => Err(self.reader.wait(block)),
        }
    }

    fn take(&mut self, n: usize) -> Vec<u8> {
        self.reader.bytes += n as u64;
        self.there.drain(..n).collect()
    }

    pub(crate) fn read(&mut self, len: usize, block: bool) -> Answer {
        if len == 0 {
            return Ok(Good::Bytes(Vec::new()));
        }
        let n = self.readable(1, block)?.min(len);
        Ok(Good::Bytes(self.take(n)))
    }

    pub(crate) fn read_exact(&mut self, len: usize) -> Answer {
        let mut all = Vec::new();
        while all.len() < len {
            let n = self.readable(1, true)?.min(len - all.len());
            if n == 0 {
                return Err(Bad::UnexpectedEof);
            }
            all.extend(self.take(n));
        }
        Ok(Good::Bytes(all))
    }

    pub(crate) fn peek(&self) -> Answer {
        self.readable(1, true).map(|_| Good::Bytes(self.there.iter().copied().collect()))
    }

    pub(crate) fn consume(&mut self, n: usize) {
        self.take(n);
    }

    pub(crate) fn next_message(&mut self) -> Result<Option<usize>, Bad> {
        if let Some((length, _)) = &self.receiving {
            return Ok(Some(*length));
        }
        match self.readable(HEADER, true)? {
            0 => return Ok(None),
            1..HEADER => return self.broken_off().map(|_| None),
            _ => {}
        }
        let length = (0..HEADER).rev().fold(0, |length, at| length << 8 | self.there[at] as usize);
        if length > self.max_message {
            self.corrupt = true;
            return Err(Bad::Corrupt);
        }
        Ok(Some(length))
    }

    pub(crate) fn recv(&mut self, room: usize) -> Answer {
        let Some(length) = self.next_message()? else { return Ok(Good::Message(None)) };
        if length > room {
            if self.is(Fault::SmallBufferLosesTheMessage) {
                let n = self.there.len().min(HEADER + length);
                self.take(n);
            }
            return Err(Bad::Invalid);
        }
        let total = HEADER + length;
        let message = if total <= self.capacity {
            if self.readable(total, true)? < total {
                return self.broken_off();
            }
            self.take(HEADER);
            self.take(length)
        } else {
            if self.receiving.is_none() {
                self.take(HEADER);
            }
            let (_, mut parts) = self.receiving.take().unwrap_or((length, Vec::new()));
            while parts.len() < length {
                let there = match self.readable(1, true) {
                    Ok(n) if n > 0 => n,
                    ended => {
                        self.receiving = Some((length, parts));
                        return ended.and_then(|_| self.broken_off().map(|_| 0)).map(Good::Count);
                    }
                };
                parts.extend(self.take(there.min(length - parts.len())));
            }
            parts
        };
        self.reader.messages += 1;
        Ok(Good::Message(Some(message)))
    }

    /// What is left is no message. The writer's error says why, if it closed with one.
    fn broken_off(&mut self) -> Answer {
        self.take(self.there.len());
        self.readable(1, true)?;
        if self.is(Fault::BrokenOffMessageLooksLikeTheEnd) {
            return Ok(Good::Message(None));
        }
        self.corrupt = true;
        Err(Bad::Corrupt)
    }

    /// How much room there is, at least `need`.
    fn writable(&self, need: usize, block: bool) -> Result<usize, Bad> {
        let finishing = self.writer.word.is_some() && !self.writer.closed;
        let open = finishing && self.is(Fault::TimedOutFinishLeavesTheStreamOpen);
        if self.writer.word.is_some() && !open {
            return Err(Bad::Closed);
        }
        match &self.reader.word {
            Some(Some(text)) => Err(Bad::ClosedWith(text.clone())),
            Some(None) => Err(Bad::Closed),
            None if self.room() >= need && !self.writer.late => Ok(self.room()),
            None => Err(self.writer.wait(block)),
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.writer.bytes += bytes.len() as u64;
        self.there.extend(bytes);
    }

    pub(crate) fn write(&mut self, bytes: &[u8], block: bool) -> Result<usize, Bad> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let n = self.writable(1, block)?.min(bytes.len());
        self.put(&bytes[..n]);
        Ok(n)
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> Answer {
        let mut done = 0;
        while done < bytes.len() {
            done += self.write(&bytes[done..], true)?;
        }
        Ok(Good::Done)
    }

    /// Reserves, fills what of `bytes` fits, and commits so many of them, or nothing.
    pub(crate) fn reserve(&mut self, len: usize, bytes: &[u8], commit: Option<usize>) -> Answer {
        if len > self.capacity {
            return Err(Bad::Invalid);
        }
        self.writable(len, true)?;
        match commit {
            Some(_) if self.is(Fault::CommitPublishesAllThatWasReserved) => {
                let mut all = bytes.to_vec();
                all.resize(len, 0);
                self.put(&all);
            }
            Some(n) => self.put(&bytes[..n]),
            None => {}
        }
        Ok(Good::Done)
    }

    pub(crate) fn send(&mut self, message: &[u8]) -> Answer {
        let total = HEADER + message.len();
        let header = (message.len() as u32).to_le_bytes();
        let short = total <= self.capacity.min(self.max_message + HEADER);
        if self.sending.is_none() && short {
            self.writable(total, true)?;
            self.put(&header);
            self.put(message);
            self.writer.messages += 1;
            return Ok(Good::Done);
        }
        if message.len() > self.max_message {
            return Err(Bad::Invalid);
        }
        let mut sent = match self.sending {
            Some((length, _)) if length != message.len() => return Err(Bad::Invalid),
            Some(_) if self.is(Fault::LongMessageStartsAnew) => 0,
            Some((_, sent)) => sent,
            None => {
                self.writable(HEADER, true)?;
                self.put(&header);
                0
            }
        };
        while sent < message.len() {
            self.sending = Some((message.len(), sent));
            sent += self.write(&message[sent..], true)?;
        }
        self.sending = None;
        self.writer.messages += 1;
        Ok(Good::Done)
    }

    pub(crate) fn finish(&mut self) -> Answer {
        if self.writer.closed {
            return Err(Bad::Closed);
        }
        self.writer.word.get_or_insert(None);
        let unread = !self.there.is_empty() && !self.is(Fault::FinishForgetsTheUnread);
        let last_word = match &self.reader.word {
            Some(None) if unread => Err(Bad::Closed),
            Some(None) => Ok(Good::Done),
            Some(Some(text)) => Err(Bad::ClosedWith(text.clone())),
            None => return Err(self.writer.wait(true)),
        };
        self.writer.closed = true;
        last_word
    }
}
