//! One session: a stream, the two threads that copy, and how it all ends.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use ringpipe::{Control, Stream};

use super::{
    args::Cat,
    copy::{self, Done, Ending, Nudge},
    meet::{NoStream, meet},
    report::{self, Live, Progress, describe, say},
    signals::{Signals, die_of},
};

/// How often the live line is drawn.
const REDRAW: Duration = Duration::from_millis(500);
/// How long a thread that was told to stop may take. One that is blocked in standard input or output cannot hear it, and is
/// left behind.
const STOPPING: Duration = Duration::from_millis(200);

enum Event {
    Sent(Done),
    Received(Done),
    Signal(Signal),
    /// A copying thread panicked, and has said so.
    Broken,
}

/// What the process ends with.
enum End {
    Clean,
    Failed,
    Signal(Signal),
}

pub(crate) fn run(cat: &Cat) -> ExitCode {
    match session(cat) {
        Ok(End::Clean) => ExitCode::SUCCESS,
        Ok(End::Failed) => ExitCode::FAILURE,
        Ok(End::Signal(signal)) | Err(NoStream::Signal(signal)) => die_of(signal),
        Err(NoStream::Failed(text)) => {
            say(format_args!("{text}"));
            ExitCode::FAILURE
        }
        Err(NoStream::Usage(text)) => {
            say(format_args!("{text}"));
            ExitCode::from(2)
        }
    }
}

fn session(cat: &Cat) -> Result<End, NoStream> {
    let failed = |what: &str, e: io::Error| NoStream::Failed(format!("{what}: {e}"));
    let signals = Signals::take().map_err(|e| failed("taking signals", e.into()))?;
    let stream = meet(&cat.place, &cat.options(), &signals)?;
    let began = Instant::now();
    let mut session = Session::start(stream, signals).map_err(|e| failed("starting to copy", e))?;
    let live = cat.progress.then(Live::new);
    let end = session.watch(live.as_ref());
    if let Some(live) = &live {
        live.end(&session.progress);
    }
    if cat.stats {
        let stats = |done: &Option<Done>| done.as_ref().map(|done| done.stats.clone());
        let (sent, received) = (stats(&session.sent), stats(&session.received));
        report::stats_line(began.elapsed().as_secs_f64(), sent.as_ref(), received.as_ref());
    }
    Ok(end)
}

struct Session {
    events: Receiver<Event>,
    nudge: Arc<Nudge>,
    progress: Arc<Progress>,
    /// Of the writer and the reader.
    controls: [Control; 2],
    sent: Option<Done>,
    received: Option<Done>,
}

impl Session {
    fn start(stream: Stream, signals: Signals) -> io::Result<Self> {
        let (reader, writer) = stream.split();
        let (input, output) = take_standard_streams()?;
        let (to_session, events) = mpsc::channel();
        let session = Self {
            events,
            nudge: Arc::new(Nudge::new()?),
            progress: Arc::default(),
            controls: [writer.control(), reader.control()],
            sent: None,
            received: None,
        };
        let progress = session.progress.clone();
        let nudge = session.nudge.clone();
        spawn("send", &to_session, move || {
            Event::Sent(copy::send(&input, writer, &nudge, &progress.sent))
        })?;
        let progress = session.progress.clone();
        spawn("receive", &to_session, move || {
            Event::Received(copy::receive(reader, output, &progress.received))
        })?;
        let controls = session.controls.clone();
        thread::Builder::new().name("signals".into()).spawn(move || {
            if let Some(signal) = signals.next() {
                for control in controls {
                    control.close_with_error(format!("ended by {signal}"));
                }
                let _ = to_session.send(Event::Signal(signal));
            }
        })?;
        Ok(session)
    }

    /// Waits until both directions are over, or one of them took the other along.
    fn watch(&mut self, live: Option<&Live>) -> End {
        let mut failed = false;
        while self.sent.is_none() || self.received.is_none() {
            let event = match live {
                None => self.events.recv().ok(),
                Some(live) => match self.events.recv_timeout(REDRAW) {
                    Err(RecvTimeoutError::Timeout) => {
                        live.show(&self.progress);
                        continue;
                    }
                    event => event.ok(),
                },
            };
            match event {
                Some(Event::Sent(done)) => {
                    match &done.ending {
                        Ending::Failed(text) => return self.fail(text.clone(), Event::Sent(done)),
                        Ending::Peer(error) => {
                            if !failed {
                                say(format_args!("{}", describe(error)));
                            }
                            failed = true;
                            // What the peer sent before is still delivered.
                            self.controls[1].set_deadline(Some(Instant::now()));
                        }
                        Ending::Clean | Ending::Stopped => {}
                    }
                    self.sent = Some(done);
                }
                Some(Event::Received(done)) => {
                    match &done.ending {
                        Ending::Failed(text) => {
                            return self.fail(text.clone(), Event::Received(done));
                        }
                        Ending::Peer(error) if !failed => {
                            return self.fail(describe(error), Event::Received(done));
                        }
                        Ending::Peer(_) | Ending::Stopped => {}
                        Ending::Clean => self.nudge.ring(copy::PEER_IS_DONE),
                    }
                    self.received = Some(done);
                }
                Some(Event::Signal(signal)) => {
                    say(format_args!("ended by {signal}"));
                    self.stop();
                    return End::Signal(signal);
                }
                Some(Event::Broken) | None => return End::Failed,
            }
        }
        if failed { End::Failed } else { End::Clean }
    }

    /// Ends both directions because of what ended one of them.
    fn fail(&mut self, text: String, event: Event) -> End {
        say(format_args!("{text}"));
        self.note(event);
        for control in &self.controls {
            control.close_with_error(text.as_str());
        }
        self.stop();
        End::Failed
    }

    /// Gives the threads a moment to end, for the sake of their counts.
    fn stop(&mut self) {
        self.nudge.ring(copy::STOP);
        let until = Instant::now() + STOPPING;
        while self.sent.is_none() || self.received.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else { return };
            self.note(event);
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Sent(done) => self.sent = Some(done),
            Event::Received(done) => self.received = Some(done),
            Event::Signal(_) | Event::Broken => {}
        }
    }
}

fn spawn(
    name: &str,
    to_session: &Sender<Event>,
    work: impl FnOnce() -> Event + Send + 'static,
) -> io::Result<()> {
    let to_session = to_session.clone();
    thread::Builder::new().name(name.into()).spawn(move || {
        let done = catch_unwind(AssertUnwindSafe(work));
        let _ = to_session.send(done.unwrap_or(Event::Broken));
    })?;
    Ok(())
}

/// Standard input, and standard output as a descriptor that can really be closed: the number 1 stays taken by something
/// harmless.
fn take_standard_streams() -> io::Result<(File, OwnedFd)> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    let null = File::options().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(null)?;
    Ok((input.into(), output))
}
