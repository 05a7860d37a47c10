//! tarpc over a Unix socket, with its bincode transport. The argument and the result are bytes.

use std::{io, os::unix::net::UnixStream, sync::Arc};

use nix::sys::socket::SockType;
use ringpipe::rpc::Bytes;
use tarpc::{
    client, context,
    serde_transport::{self, Transport as Serde},
    server::{BaseChannel, Channel},
    tokio_serde::formats::Bincode,
    tokio_util::codec::{Framed, LengthDelimitedCodec},
};
use tokio::runtime::Runtime;

use super::{
    super::{
        Role, Transport,
        calls::{Call, Calls, Desk},
        unix,
    },
    CALLS, runtime,
};
use crate::case::Case;

pub(in super::super) const TRANSPORT: Transport = Transport {
    name: "tarpc",
    what: "calls of tarpc over a Unix socket, bincode",
    complexity: 27,
    ..CALLS
};

#[tarpc::service]
trait Bench {
    async fn exchange(request: Bytes) -> Bytes;
}

/// The method.
#[derive(Clone)]
struct Clerk(Arc<Desk>);

impl Bench for Clerk {
    async fn exchange(self, _: context::Context, request: Bytes) -> Bytes {
        let mut message = request.into_vec();
        self.0.answer(&mut message);
        Bytes::from(message)
    }
}

/// The client and what drives it.
pub(super) struct Caller {
    runtime: Runtime,
    client: BenchClient,
}

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Calls<Caller>> {
    let (socket, facts) = unix::socket(case, role, meet, SockType::Stream)?;
    let socket = UnixStream::from(socket);
    match role {
        Role::Initiator => {
            let runtime = runtime::start()?;
            let _inside = runtime.enter();
            let transport = transport(runtime::adopt(socket)?);
            let client = BenchClient::new(client::Config::default(), transport).spawn();
            drop(_inside);
            Ok(Calls::Caller { client: Caller { runtime, client }, facts })
        }
        Role::Responder => {
            let desk = runtime::serve_on_a_thread(socket, serve)?;
            Ok(Calls::Server { desk, asked: 0 })
        }
    }
}

type Wire<Item, Sink> = Serde<tokio::net::UnixStream, Item, Sink, Bincode<Item, Sink>>;

fn transport<Item, Sink>(socket: tokio::net::UnixStream) -> Wire<Item, Sink>
where
    Item: for<'de> serde::Deserialize<'de>,
    Sink: serde::Serialize,
{
    let mut frames = LengthDelimitedCodec::builder();
    // The largest message, and what comes on top of it.
    frames.max_frame_length(crate::units::LARGEST_MESSAGE + 4096);
    serde_transport::new(Framed::new(socket, frames.new_codec()), Bincode::default())
}

async fn serve(socket: tokio::net::UnixStream, desk: Arc<Desk>) {
    use futures_util::StreamExt;
    let requests = BaseChannel::with_defaults(transport(socket)).execute(Clerk(desk).serve());
    requests.for_each(|answer| answer).await;
}

impl Call for Caller {
    fn call(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        let call = self.client.exchange(context::current(), Bytes::from(request.to_vec()));
        let reply = self.runtime.block_on(call).map_err(io::Error::other)?;
        Ok(reply.into_vec())
    }
}
