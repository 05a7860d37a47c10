//! Ends that go to a child, seen from both sides.

use std::{
    io::{self, Read, Write},
    process::{Child, Command, Stdio},
};

use crate::{
    adversity::Adversity,
    child::other,
    scene::{Scene, is_typed, say},
    talk::{ROUNDS, expect_messages, message, options, pour},
};

/// The child's role is one of those that [`child`] plays.
pub(crate) fn handing_reader(scene: &mut Scene) -> io::Result<()> {
    scene.armed(|_| {
        let (reader, mut writer) = options().ring()?;
        let child = reader.hand_to(other("read"))?;
        let poured = (|| {
            for round in 0..ROUNDS {
                writer.write_all(&message(round))?;
            }
            writer.finish()
        })();
        drop(writer);
        ended(child, poured)
    })
}

pub(crate) fn handing_writer(scene: &mut Scene) -> io::Result<()> {
    scene.armed(|_| {
        let (mut reader, writer) = options().ring()?;
        let child = writer.hand_to(other("write"))?;
        let drained = expect_messages(&mut reader);
        drop(reader);
        ended(child, drained)
    })
}

pub(crate) fn ended(mut child: Child, result: io::Result<()>) -> io::Result<()> {
    let status = child.wait().unwrap();
    if !status.success() {
        say(&format!("wrong the child ended as {status}"));
    }
    result
}

pub(crate) fn taking_reader(scene: &mut Scene) -> io::Result<()> {
    let (reader, mut writer) = options().ring()?;
    let mut child = reader.hand_to(taking(scene, "take-reader"))?;
    let poured = (|| {
        for round in 0..ROUNDS {
            writer.write_all(&message(round))?;
        }
        writer.finish()
    })();
    drop(writer);
    relay(&mut child);
    ended(child, only_typed(poured))
}

pub(crate) fn taking_writer(scene: &mut Scene) -> io::Result<()> {
    let (mut reader, writer) = options().ring()?;
    let mut child = writer.hand_to(taking(scene, "take-writer"))?;
    let drained = expect_messages(&mut reader);
    drop(reader);
    relay(&mut child);
    ended(child, only_typed(drained))
}

/// This process is the peer of the one that faults strike, whose verdict counts.
pub(crate) fn only_typed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if is_typed(&error) => Ok(()),
        other => other,
    }
}

/// A child that bears what `scene` was to bear.
pub(crate) fn taking(scene: &mut Scene, role: &str) -> Command {
    let adversity = std::mem::replace(&mut scene.adversity, Adversity::none());
    let mut command = other(format!("{role} {}", adversity.to_words()).trim_end());
    command.stderr(Stdio::piped());
    command
}

/// Says what a child says.
pub(crate) fn relay(child: &mut Child) {
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said.lines().for_each(say);
}

/// The other side of [`handing_reader`] and [`handing_writer`].
pub(crate) fn child(role: &str) {
    let result = match role {
        "read" => options().inherited_reader().map_err(Into::into).and_then(|mut reader| {
            let read = expect_messages(&mut reader);
            reader.close();
            read
        }),
        _ => options().inherited_writer().map_err(Into::into).and_then(pour),
    };
    if let Err(error) = result {
        assert!(is_typed(&error), "{error:?}");
    }
}

/// What [`taking_reader`]'s and [`taking_writer`]'s child does.
pub(crate) fn take_up(role: &str, scene: &mut Scene) -> io::Result<()> {
    scene.takes_a_socket = true;
    scene.armed(|_| match role {
        "take-reader" => {
            let mut reader = options().inherited_reader()?;
            expect_messages(&mut reader)
        }
        _ => pour(options().inherited_writer()?),
    })
}
