//! ipc-channel: its channels of bytes, one for each direction, which the two processes exchange through a one-shot
//! server. The receiver gets each message as a `Vec` of its own. The sizes of its socket buffers are the system's.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
};

use ipc_channel::{
    TryRecvError,
    ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender},
};

use super::{
    super::{Link, Role, Transport, doing, spins},
    PROCESSES,
};
use crate::{case::Case, control::Facts};

pub(in super::super) const TRANSPORT: Transport = Transport {
    name: "ipc-channel",
    what: "ipc-channel, channels of bytes over Unix sockets",
    complexity: 20,
    untrusted: true,
    ..PROCESSES
};

/// One side of two channels.
#[derive(Debug)]
pub(super) struct IpcChannel {
    sender: IpcBytesSender,
    receiver: IpcBytesReceiver,
    spins: bool,
}

/// What the responder hands to the initiator.
type Ends = (IpcBytesSender, IpcBytesReceiver);

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<IpcChannel> {
    let (sender, receiver) = match role {
        Role::Initiator => {
            let made = IpcOneShotServer::<Ends>::new();
            let (server, name) = doing(made, "starting an ipc-channel server")?;
            tell(meet, &name)?;
            doing(server.accept(), "accepting an ipc-channel")?.1
        }
        Role::Responder => {
            let to_server = doing(IpcSender::<Ends>::connect(hear(meet)?), "reaching the server")?;
            let (request_sender, request_receiver) = ipc::bytes_channel()?;
            let (reply_sender, reply_receiver) = ipc::bytes_channel()?;
            doing(to_server.send((request_sender, reply_receiver)), "handing over channels")?;
            (reply_sender, request_receiver)
        }
    };
    Ok(IpcChannel { sender, receiver, spins: spins(case) })
}

/// Sends the name of the server; shorter than 64 KiB, since it is a path.
fn tell(meet: &UnixStream, name: &str) -> io::Result<()> {
    let mut meet = meet;
    meet.write_all(&(name.len() as u16).to_be_bytes())?;
    meet.write_all(name.as_bytes())
}

fn hear(meet: &UnixStream) -> io::Result<String> {
    let mut meet = meet;
    let mut len = [0; 2];
    meet.read_exact(&mut len)?;
    let mut name = vec![0; usize::from(u16::from_be_bytes(len))];
    meet.read_exact(&mut name)?;
    String::from_utf8(name).map_err(io::Error::other)
}

impl IpcChannel {
    fn take(&self) -> io::Result<Vec<u8>> {
        if !self.spins {
            return self.receiver.recv().map_err(io::Error::other);
        }
        loop {
            match self.receiver.try_recv() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Empty) => std::hint::spin_loop(),
                Err(TryRecvError::IpcError(error)) => return Err(io::Error::other(error)),
            }
        }
    }
}

impl Link for IpcChannel {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.sender.send(message)
    }

    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        message.copy_from_slice(&self.take()?);
        Ok(())
    }

    fn recv_with(&mut self, _: &mut [u8], look: impl FnOnce(&[u8])) -> io::Result<()> {
        look(&self.take()?);
        Ok(())
    }

    fn facts(&self) -> Facts {
        Facts::from([("capacity".to_owned(), "the system's; it cannot be chosen".to_owned())])
    }
}
