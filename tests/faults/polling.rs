//! Ends that are polled.

use std::{
    io::{self, Read},
    os::fd::AsFd,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpipe::{Doorbell, Options, Reader, Stream, Writer, ring::Pollable};

use crate::{
    arming::paused,
    scene::Scene,
    strangers::joined,
    talk::{cut_short, message, options, through},
};

pub(crate) fn polled() -> Options {
    options().doorbell(Doorbell::EventFd)
}

pub(crate) fn polled_ring(scene: &mut Scene) -> io::Result<()> {
    scene.armed(|_| {
        let (reader, mut writer) = polled().ring()?;
        let mut reader = reader.pollable()?;
        through(&mut reader, &mut writer)?;
        drop(writer);
        assert!(is_lit(&reader));
        assert_eq!(reader.read(&mut [0])?, 0);
        Ok(())
    })
}

pub(crate) fn accepting_polled(scene: &mut Scene) -> io::Result<()> {
    let here = joined(scene, |there| poll_and_converse(polled().connect_on(there)?)).0;
    scene.armed(|_| poll_and_converse(polled().accept_on(here)?))
}

pub(crate) fn connecting_polled(scene: &mut Scene) -> io::Result<()> {
    let here = joined(scene, |there| poll_and_converse(polled().accept_on(there)?)).0;
    scene.armed(|_| poll_and_converse(polled().connect_on(here)?))
}

pub(crate) fn is_lit(end: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(end.as_fd(), PollFlags::POLLIN)];
    paused(|| poll(&mut fds, PollTimeout::ZERO)) == Ok(1)
}

/// Waits until an end may go on.
pub(crate) fn wait_for(end: &impl AsFd) {
    let mut fds = [PollFd::new(end.as_fd(), PollFlags::POLLIN)];
    paused(|| poll(&mut fds, PollTimeout::NONE)).unwrap();
}

/// Both sides send the same bytes and check the other's, without ever being blocked by an end.
pub(crate) fn poll_and_converse(stream: Stream) -> io::Result<()> {
    let (reader, writer) = stream.split();
    let (mut reader, mut writer) = (reader.pollable()?, writer.pollable()?);
    // More than the ring holds, so that each waits for the other's reading.
    let bytes: Vec<u8> = (0..12).flat_map(|_| message(3)).collect();
    let (mut sent, mut got) = (0, 0);
    let mut buf = vec![0; 64 << 10];
    while sent < bytes.len() || got < bytes.len() {
        let mut idle = true;
        if sent < bytes.len() {
            match writer.try_write(&bytes[sent..]) {
                Ok(n) => (sent, idle) = (sent + n, false),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if got < bytes.len() {
            match reader.try_read(&mut buf) {
                Ok(0) => return Err(cut_short()),
                Ok(n) => {
                    assert!(buf[..n] == bytes[got..got + n], "the bytes came out different");
                    (got, idle) = (got + n, false);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if idle {
            wait_for_either(&reader, &writer, sent < bytes.len(), got < bytes.len());
        }
    }
    writer.close();
    wait_for(&reader);
    assert_eq!(reader.read(&mut [0])?, 0);
    Ok(())
}

pub(crate) fn wait_for_either(
    reader: &Pollable<Reader>,
    writer: &Pollable<Writer>,
    write: bool,
    read: bool,
) {
    let mut fds = Vec::new();
    if read {
        fds.push(PollFd::new(reader.as_fd(), PollFlags::POLLIN));
    }
    if write {
        fds.push(PollFd::new(writer.as_fd(), PollFlags::POLLIN));
    }
    paused(|| poll(&mut fds, PollTimeout::NONE)).unwrap();
}
