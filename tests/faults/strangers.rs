//! Streams between processes that meet, from their making to their end.

use std::{
    cell::Cell,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixStream,
    },
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::unistd::Pid;
use ringpipe::{Error, Stream};

use crate::{
    arming::paused,
    scene::Scene,
    talk::{converse, cut_short, echo, expect, message, options, receive, thread},
};

/// A socket that leads to a peer, which does what `work` says with the other half.
pub(crate) fn joined(
    scene: &mut Scene,
    work: impl FnOnce(UnixStream) -> io::Result<()>,
) -> (UnixStream, Pid) {
    let (here, there) = UnixStream::pair().unwrap();
    let (here, there) = (Cell::new(Some(here)), Cell::new(Some(there)));
    let peer = scene.peer(|| {
        // Whose copy in the peer would keep it from noticing that this process hangs up.
        drop(here.take());
        work(there.take().unwrap())
    });
    (here.take().unwrap(), peer)
}

pub(crate) fn listener(scene: &mut Scene) -> io::Result<()> {
    scene.armed(|scene| {
        let path = scene.dir.join("listener");
        let listener = options().bind(&path)?;
        paused(|| UnixStream::connect(&path)).unwrap();
        drop(listener);
        Ok(())
    })
}

pub(crate) fn stale_listener(scene: &mut Scene) -> io::Result<()> {
    let path = scene.dir.join("stale");
    let stale = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(stale);
    let result = scene.armed(|_| {
        let listener = options().bind(&path)?;
        paused(|| UnixStream::connect(&path)).unwrap();
        drop(listener);
        Ok(())
    });
    // It was there before.
    if result.is_err() {
        let _ = std::fs::remove_file(&path);
    }
    result
}

pub(crate) fn accepting(scene: &mut Scene) -> io::Result<()> {
    let path = scene.dir.join("accepting");
    let listener = options().bind(&path)?;
    scene.peer(|| {
        // SAFETY: the copy that this process got, which never uses it.
        unsafe { libc::close(listener.as_fd().as_raw_fd()) };
        converse(options().connect(&path)?)
    });
    scene.armed(|_| echo(listener.accept()?))
}

pub(crate) fn connecting(scene: &mut Scene) -> io::Result<()> {
    let path = scene.dir.join("connecting");
    let listener = options().bind(&path)?;
    scene.peer(|| echo(listener.accept()?));
    let result = scene.armed(|_| converse(options().connect(&path)?));
    if result.is_err() {
        // The peer may still wait for somebody.
        drop(UnixStream::connect(&path));
    }
    result
}

pub(crate) fn refusing(scene: &mut Scene) -> io::Result<()> {
    for part in [0, 1, 127, 128] {
        let (here, mut there) = UnixStream::pair().unwrap();
        there.write_all(&vec![b'?'; part]).unwrap();
        drop(there);
        let refused = scene.armed(|_| options().accept_on(here)).unwrap_err();
        assert!(!matches!(refused, Error::Timeout), "{refused}");
        if part == 128 {
            return Err(refused.into());
        }
    }
    Ok(())
}

/// A stream that stands before anything fails; the peer does what `peer` says.
pub(crate) fn standing(
    scene: &mut Scene,
    peer: impl FnOnce(Stream) -> io::Result<()>,
) -> io::Result<(Stream, Pid)> {
    let (here, peer) = joined(scene, |there| peer(options().connect_on(there)?));
    // After the peer, and before the stream's thread.
    scene.install();
    Ok((options().accept_on(here)?, peer))
}

pub(crate) fn sleeping(scene: &mut Scene) -> io::Result<()> {
    let (stream, _) = standing(scene, echo)?;
    scene.armed(|_| converse(stream))
}

pub(crate) fn closing(scene: &mut Scene) -> io::Result<()> {
    // The peer reads to the end, and never says a word.
    let (stream, _) = standing(scene, |stream| {
        let (mut reader, writer) = stream.split();
        io::copy(&mut reader, &mut io::sink())?;
        drop(writer);
        Ok(())
    })?;
    let (mut reader, mut writer) = stream.split();
    let control = reader.control();
    let (move_it, moved) = mpsc::channel();
    // Another thread moves the deadline of a call that sleeps, and then ends it for good.
    let mover = thread(move || {
        moved.recv().unwrap();
        control.set_deadline(Some(Instant::now() + Duration::from_millis(5)));
        moved.recv().unwrap();
        control.close();
    });
    let result = scene.armed(|_| {
        reader.set_deadline(Some(Instant::now() + Duration::from_millis(5)));
        expect(reader.read(&mut [0]), |error| matches!(error, Error::Timeout))?;
        reader.set_deadline(None);
        move_it.send(()).unwrap();
        expect(reader.read(&mut [0]), |error| matches!(error, Error::Timeout))?;
        reader.set_deadline(None);
        move_it.send(()).unwrap();
        expect(reader.read(&mut [0]), |error| matches!(error, Error::Closed))?;
        writer.write_all(&message(3))?;
        writer.finish()
    });
    if result.is_err() {
        // Whatever it still waits for.
        (0..2).for_each(|_| _ = move_it.send(()));
    }
    mover.join().unwrap();
    result
}

pub(crate) fn death(scene: &mut Scene) -> io::Result<()> {
    let (here, peer) = joined(scene, |there| {
        let (_reader, mut writer) = options().connect_on(there)?.split();
        writer.write_all(&message(1))?;
        loop {
            thread::park();
        }
    });
    let result = scene.armed(|scene| {
        let (mut reader, mut writer) = options().accept_on(here)?.split();
        let mut last_words = [0; 7];
        reader.read_exact(&mut last_words)?;
        assert!(last_words[..] == message(1));
        paused(|| scene.kill(peer));
        expect(reader.read(&mut [0]), |error| matches!(error, Error::PeerDied { .. }))?;
        // Until the ring is full at the latest.
        let poured = (0..40).try_for_each(|_| writer.write_all(&message(3)));
        expect(poured.map(|()| 0), |error| matches!(error, Error::PeerDied { .. }))
    });
    if result.is_err() {
        scene.kill(peer);
    }
    result
}

pub(crate) fn dropping(scene: &mut Scene) -> io::Result<()> {
    let (mut stream, _) = standing(scene, echo)?;
    stream.writer().send(&message(2))?;
    assert!(receive(stream.reader())?.ok_or_else(cut_short)? == message(2));
    scene.armed(|_| drop(stream));
    Ok(())
}
