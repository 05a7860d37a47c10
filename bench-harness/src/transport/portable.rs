//! The ring for systems without memfd and futex: `shared_memory` and `raw_sync`, between processes of one user.

use std::{
    env, io,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    process,
    time::{Duration, Instant},
};

use ringpipe::portable;

use super::{
    Role, doing,
    ring::{Ring, options},
};
use crate::{case::Case, orphan};

/// The other side is a process that waits for nothing else.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn open(case: &Case, role: Role, mut meet: &UnixStream) -> io::Result<Ring> {
    let options = options(case);
    let path = |owner: u32| -> PathBuf { env::temp_dir().join(format!("ipc-bench-{owner}.ring")) };
    let stream = match role {
        // Until the responder has come, names exist that only this process removes.
        Role::Initiator => orphan::finish_even_alone(|| {
            let owner = process::id();
            let offer = doing(portable::create(path(owner), &options), "offering a portable ring")?;
            meet.write_all(&owner.to_ne_bytes())?;
            doing(offer.accept(Some(Instant::now() + PATIENCE)), "waiting for the other side")
        })?,
        Role::Responder => {
            let mut owner = [0; 4];
            meet.read_exact(&mut owner)?;
            let path = path(u32::from_ne_bytes(owner));
            orphan::finish_even_alone(|| doing(portable::open(path, &options), "opening the ring"))?
        }
    };
    Ok(Ring::new(stream))
}
