//! Descriptors from one peer to the other, over the socket pair on which they meet.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use super::{Role, doing};

/// Sends copies of `descriptors`; the sender's own may be closed afterwards.
pub(super) fn send(meet: &UnixStream, descriptors: &[&OwnedFd]) -> io::Result<()> {
    let numbers: Vec<_> = descriptors.iter().map(|descriptor| descriptor.as_raw_fd()).collect();
    let sent = sendmsg::<()>(
        meet.as_raw_fd(),
        &[IoSlice::new(&[0])],
        &[ControlMessage::ScmRights(&numbers)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    );
    doing(sent, "handing descriptors to the peer")?;
    Ok(())
}

/// A fresh socket pair between the peers that know each other over `meet`. When both have it, both are ready: the responder
/// is about to wait, and the initiator knows.
pub(crate) fn introduce(role: Role, mut meet: &UnixStream) -> io::Result<UnixStream> {
    let mut ready = [0];
    match role {
        Role::Initiator => {
            let (ours, theirs) = UnixStream::pair()?;
            send(meet, &[&OwnedFd::from(theirs)])?;
            meet.read_exact(&mut ready)?;
            Ok(ours)
        }
        Role::Responder => {
            let [socket] = receive(meet)?;
            meet.write_all(&ready)?;
            Ok(UnixStream::from(socket))
        }
    }
}

/// Receives exactly `N` descriptors.
pub(super) fn receive<const N: usize>(meet: &UnixStream) -> io::Result<[OwnedFd; N]> {
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; N]);
    let message = doing(
        recvmsg::<()>(meet.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC),
        "taking descriptors from the peer",
    )?;
    let mut descriptors = Vec::with_capacity(N);
    for control in doing(message.cmsgs(), "taking descriptors from the peer")? {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            // SAFETY: the kernel just made these descriptors for this process, and nobody else knows their numbers.
            descriptors
                .extend(numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }));
        }
    }
    let got = descriptors.len();
    descriptors.try_into().map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the peer sent {got} descriptors instead of {N}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn peers_that_are_introduced_have_a_fresh_socket_between_them_each_time() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let other = std::thread::spawn(move || {
            (0..3).map(|_| introduce(Role::Responder, &theirs).unwrap()).collect::<Vec<_>>()
        });
        let here: Vec<UnixStream> =
            (0..3).map(|_| introduce(Role::Initiator, &ours).unwrap()).collect();
        for (number, (mut here, mut there)) in
            here.into_iter().zip(other.join().unwrap()).enumerate()
        {
            here.write_all(&[number as u8]).unwrap();
            drop(here);
            let mut got = Vec::new();
            there.read_to_end(&mut got).unwrap();
            assert_eq!(got, [number as u8]);
        }
        drop(ours);
    }

    #[test]
    fn a_descriptor_arrives_and_a_peer_that_is_gone_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (read, write) = nix::unistd::pipe().unwrap();
        send(&ours, &[&write]).unwrap();
        drop(write);
        let [write] = receive::<1>(&theirs).unwrap();
        File::from(write).write_all(b"x").unwrap();
        let mut got = String::new();
        File::from(read).read_to_string(&mut got).unwrap();
        assert_eq!(got, "x");
        drop(ours);
        assert!(receive::<1>(&theirs).is_err());
    }
}
