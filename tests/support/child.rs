//! The child's side of a proxied end: takes orders until there are no more.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    panic::resume_unwind,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use ringpipe::{Control, ReadEnd, WriteEnd};

use crate::{
    proxy::{ORDERS, ROLE, abstract_name},
    wire::{Answer, Order, receive, send},
};

/// The role this process was started for; `None` in the process that runs the tests.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// The descriptor that the parent gave as standard input, which is empty from here on.
fn data() -> OwnedFd {
    let stdin = io::stdin();
    let data = stdin.as_fd().try_clone_to_owned().expect("the data can be taken");
    let nothing = File::open("/dev/null").expect("there is a null device");
    // The original goes: otherwise dropping the end would not close what the other process sees.
    nix::unistd::dup2_stdin(nothing).expect("standard input can be replaced");
    data
}

/// One of the two kinds of end, as far as orders go.
pub(crate) trait Served: Send + 'static {
    fn control(&self) -> Control;
    fn obey(&mut self, order: Order) -> io::Result<Answer>;
}

fn read_into(len: u64, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<Answer> {
    let mut buf = vec![0; len as usize];
    let n = read(&mut buf)?;
    buf.truncate(n);
    Ok(Answer::Bytes(buf))
}

fn not_for_this_end(order: &Order) -> io::Result<Answer> {
    Err(io::Error::other(format!("{order:?} is not for this end")))
}

pub(crate) struct Reading<R>(pub(crate) R);

impl<R: ReadEnd + 'static> Served for Reading<R> {
    fn control(&self) -> Control {
        self.0.control()
    }

    fn obey(&mut self, order: Order) -> io::Result<Answer> {
        match order {
            Order::Read(len) => read_into(len, |buf| self.0.read(buf)),
            Order::TryRead(len) => read_into(len, |buf| self.0.try_read(buf)),
            Order::SetTimeout(timeout) => {
                self.0.set_read_timeout(timeout).map(|()| Answer::Count(0))
            }
            Order::Timeout => Ok(Answer::Timeout(self.0.read_timeout())),
            Order::SetNonblocking(on) => {
                self.0.set_nonblocking(on);
                Ok(Answer::Count(0))
            }
            other => not_for_this_end(&other),
        }
    }
}

pub(crate) struct Writing<W>(pub(crate) W);

impl<W: WriteEnd + 'static> Served for Writing<W> {
    fn control(&self) -> Control {
        self.0.control()
    }

    fn obey(&mut self, order: Order) -> io::Result<Answer> {
        match order {
            Order::Write(bytes) => self.0.write(&bytes).map(|n| Answer::Count(n as u64)),
            Order::TryWrite(bytes) => self.0.try_write(&bytes).map(|n| Answer::Count(n as u64)),
            Order::SetTimeout(timeout) => {
                self.0.set_write_timeout(timeout).map(|()| Answer::Count(0))
            }
            Order::Timeout => Ok(Answer::Timeout(self.0.write_timeout())),
            Order::SetNonblocking(on) => {
                self.0.set_nonblocking(on);
                Ok(Answer::Count(0))
            }
            other => not_for_this_end(&other),
        }
    }
}

/// Makes an end, once the parent is told that this process lives, and serves it until the parent has no more orders; then
/// the process ends.
pub(crate) fn serve<E: Served>(make: impl FnOnce(OwnedFd) -> io::Result<E>) -> ! {
    let data = data();
    let name = std::env::var(ORDERS).expect("the parent names its socket");
    let address = abstract_name(&name).expect("the name is an address");
    let mut orders = UnixStream::connect_addr(&address).expect("the parent listens");
    let answers = Arc::new(Mutex::new(orders.try_clone().expect("a socket can be cloned")));
    let reply = move |id, answer: &Answer| {
        // It fails only if the parent is gone, and then the orders end as well.
        let _ = send(&mut *answers.lock().unwrap(), id, answer);
    };
    let mut end = make(data).expect("the end can be made");
    let control = end.control();
    let (to_end, for_end) = mpsc::channel::<(u64, Order)>();
    let answer = reply.clone();
    thread::spawn(move || {
        while let Ok((id, order)) = for_end.recv() {
            match order {
                Order::Drop => {
                    drop(end);
                    answer(id, &Answer::Count(0));
                    return;
                }
                Order::DropUnwinding => {
                    // Joined by hand, so that the answer comes when the end has been dropped.
                    let unwinding = thread::spawn(move || {
                        let _end = end;
                        resume_unwind(Box::new("on purpose"));
                    });
                    assert!(unwinding.join().is_err());
                    answer(id, &Answer::Count(0));
                    return;
                }
                order => {
                    let result = end.obey(order);
                    answer(id, &result.unwrap_or_else(|error| Answer::of_error(&error)));
                }
            }
        }
    });
    while let Ok((id, order)) = receive::<Order>(&mut orders) {
        match order {
            Order::Close => control.close(),
            Order::CloseWithError(kind, text) => {
                control.close_with_error(io::Error::new(kind, text));
            }
            Order::SetDeadline(from_now) => control.set_deadline(from_now.map(moment)),
            order => {
                if to_end.send((id, order)).is_err() {
                    let gone = Answer::Failed(io::ErrorKind::Other, "the end was dropped".into());
                    reply(id, &gone);
                }
                continue;
            }
        }
        reply(id, &Answer::Count(0));
    }
    std::process::exit(0)
}

fn moment(from_now: i64) -> Instant {
    let now = Instant::now();
    let distance = Duration::from_nanos(from_now.unsigned_abs());
    if from_now < 0 { now.checked_sub(distance).unwrap_or(now) } else { now + distance }
}
