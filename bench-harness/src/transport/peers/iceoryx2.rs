//! iceoryx2: publish and subscribe, one service for each direction, the payload written and read in the loaned memory.
//!
//! Nothing may be lost, so overflow is off and a publisher that finds the queue full retries until it is delivered,
//! which is its default and keeps it busy. The subscriber polls in a spin row; in a blocking row each message comes
//! with an event, and it sleeps until one is there.

use std::{io, os::unix::net::UnixStream};

use iceoryx2::{
    config::Config,
    port::{listener::Listener, notifier::Notifier, publisher::Publisher, subscriber::Subscriber},
    prelude::*,
    sample::Sample,
};

use super::{
    super::{Link, Role, Transport, doing, spins},
    PROCESSES, names, slots,
};
use crate::{case::Case, control::Facts};

pub(in super::super) const TRANSPORT: Transport = Transport {
    name: "iceoryx2",
    what: "iceoryx2, publish and subscribe with loaned memory",
    complexity: 21,
    ..PROCESSES
};

/// One side of two services.
pub(super) struct Iceoryx2 {
    publisher: Publisher<ipc::Service, [u8], ()>,
    subscriber: Subscriber<ipc::Service, [u8], ()>,
    /// To wake the other side and to be woken, in a blocking row.
    bells: Option<(Notifier<ipc::Service>, Listener<ipc::Service>)>,
    slots: usize,
    /// The ports belong to it.
    _node: Node<ipc::Service>,
}

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Iceoryx2> {
    set_log_level(LogLevel::Error);
    let word = names::agree(role, meet)?;
    let mut config = Config::default();
    // Files of its own, so that they can be told from those of others and removed.
    config.global.prefix = doing(FileName::new(word.as_bytes()), "naming its files")?;
    let folder = std::env::temp_dir().join(format!("{word}folder"));
    let folder = doing(Path::new(folder.as_os_str().as_encoded_bytes()), "naming its folder")?;
    config.global.set_root_path(&folder);
    let node = NodeBuilder::new()
        .config(&config)
        // The harness ends its peers itself.
        .signal_handling_mode(SignalHandlingMode::Disabled)
        .create::<ipc::Service>();
    let node = doing(node, "making a node")?;
    let slots = slots(case).min(16_384);
    let (ours, theirs) = names::ours_and_theirs(role, "");
    let service = |name: &str| {
        let service = node
            .service_builder(&doing(ServiceName::new(name), "naming a service")?)
            .publish_subscribe::<[u8]>()
            .max_publishers(1)
            .max_subscribers(1)
            .history_size(0)
            .subscriber_max_buffer_size(slots)
            .enable_safe_overflow(false)
            .open_or_create();
        doing(service, "opening a service")
    };
    let publisher = service(&ours)?
        .publisher_builder()
        .initial_max_slice_len(case.size.0)
        .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
        .create();
    let publisher = doing(publisher, "making a publisher")?;
    let subscriber = doing(service(&theirs)?.subscriber_builder().create(), "making a subscriber")?;
    let bells = if spins(case) { None } else { Some(bells(&node, &ours, &theirs)?) };
    // What is published before the subscriber is there is lost.
    names::both_are_here(meet)?;
    Ok(Iceoryx2 { publisher, subscriber, bells, slots, _node: node })
}

fn bells(
    node: &Node<ipc::Service>,
    ours: &str,
    theirs: &str,
) -> io::Result<(Notifier<ipc::Service>, Listener<ipc::Service>)> {
    let event = |name: &str| {
        let name = doing(ServiceName::new(&format!("{name}-bell")), "naming an event")?;
        doing(node.service_builder(&name).event().open_or_create(), "opening an event")
    };
    let notifier = doing(event(ours)?.notifier_builder().create(), "making a notifier")?;
    let listener = doing(event(theirs)?.listener_builder().create(), "making a listener")?;
    Ok((notifier, listener))
}

impl Iceoryx2 {
    #[inline]
    fn take(&self) -> io::Result<Sample<ipc::Service, [u8], ()>> {
        loop {
            if let Some(sample) = self.subscriber.receive().map_err(io::Error::other)? {
                return Ok(sample);
            }
            match &self.bells {
                None => std::hint::spin_loop(),
                Some((_, listener)) => {
                    listener.blocking_wait_all(|_| {}).map_err(io::Error::other)?;
                }
            }
        }
    }
}

impl Link for Iceoryx2 {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.send_with(&mut vec![0; message.len()], |place| place.copy_from_slice(message))
    }

    #[inline]
    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        message.copy_from_slice(self.take()?.payload());
        Ok(())
    }

    #[inline]
    fn send_with(&mut self, buffer: &mut [u8], fill: impl FnOnce(&mut [u8])) -> io::Result<()> {
        let sample = self.publisher.loan_slice_uninit(buffer.len()).map_err(io::Error::other)?;
        // SAFETY: any byte is a u8, and memory that was mapped from a file has been written, be it by the kernel.
        let mut sample = unsafe { sample.assume_init() };
        fill(sample.payload_mut());
        sample.send().map_err(io::Error::other)?;
        if let Some((notifier, _)) = &self.bells {
            notifier.notify().map_err(io::Error::other)?;
        }
        Ok(())
    }

    #[inline]
    fn recv_with(&mut self, _: &mut [u8], look: impl FnOnce(&[u8])) -> io::Result<()> {
        look(self.take()?.payload());
        Ok(())
    }

    fn facts(&self) -> Facts {
        Facts::from([("messages in its queue".to_owned(), self.slots.to_string())])
    }
}
