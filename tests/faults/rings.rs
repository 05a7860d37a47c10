//! Rings with both ends in one process.

use std::{
    io::{self, Read, Write},
    sync::mpsc,
};

use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, fork},
};
use ringpipe::{Error, Reader, Writer};

use crate::{
    arming::paused,
    scene::Scene,
    talk::{ROUNDS, cut_short, message, options, receive, thread, through},
};

pub(crate) fn ring(scene: &mut Scene) -> io::Result<()> {
    scene.armed(|_| {
        let (mut reader, mut writer) = options().ring()?;
        through(&mut reader, &mut writer)?;
        writer.close();
        assert_eq!(reader.read(&mut [0])?, 0);
        Ok(())
    })
}

pub(crate) fn resident_ring(scene: &mut Scene) -> io::Result<()> {
    scene.armed(|_| {
        let options = options().capacity(4 << 20).huge_pages(true).prefault(true).lock(true);
        let (mut reader, mut writer) = options.ring()?;
        through(&mut reader, &mut writer)
    })
}

pub(crate) fn threads(scene: &mut Scene) -> io::Result<()> {
    scene.install();
    let (give, take) = mpsc::channel::<(Reader, Writer)>();
    let echo = thread(move || -> io::Result<()> {
        let Ok((mut reader, mut writer)) = take.recv() else { return Ok(()) };
        while let Some(message) = receive(&mut reader)? {
            writer.send(&message)?;
        }
        Ok(())
    });
    let said = scene.armed(|_| {
        let (there, mut to) = options().ring()?;
        let (mut from, back) = options().ring()?;
        assert!(paused(|| give.send((there, back)).is_ok()));
        for round in 0..ROUNDS {
            let message = message(round);
            to.send(&message)?;
            assert!(receive(&mut from)?.ok_or_else(cut_short)? == message);
        }
        to.finish()
    });
    drop(give);
    said.and(echo.join().unwrap())
}

pub(crate) fn forking(scene: &mut Scene) -> io::Result<()> {
    let (mut reader, mut writer) = scene.armed(|_| options().ring())?;
    writer.write_all(b"original")?;
    // SAFETY: the child allocates, which the C library allows after fork, and leaves by `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let forked = |error: io::Error| matches!(Error::of(&error), Some(Error::Forked));
            let told =
                reader.read(&mut [0]).is_err_and(forked) && writer.write(&[0]).is_err_and(forked);
            drop((reader, writer));
            // SAFETY: ends the process without running what belongs to its parent.
            unsafe { libc::_exit(i32::from(!told)) }
        }
        ForkResult::Parent { child } => {
            let status = waitpid(child, None).unwrap();
            assert_eq!(status, WaitStatus::Exited(child, 0), "a copy passes for the original");
        }
    }
    let mut original = [0; 8];
    reader.read_exact(&mut original)?;
    assert_eq!(&original, b"original");
    Ok(())
}
