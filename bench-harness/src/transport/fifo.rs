//! Named pipes: one for each direction. Their names exist only while the initiator opens them.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io,
    os::unix::{fs::FileTypeExt, fs::OpenOptionsExt, net::UnixStream},
    path::PathBuf,
    process,
};

use nix::{sys::stat::Mode, unistd::mkfifo};

use super::{Role, descriptors::Descriptors, doing, handover, pipe, spins, unsupported};
use crate::{case::Case, control::Facts, orphan};

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Descriptors> {
    match role {
        Role::Initiator => {
            let request = both_ends("request")?;
            let reply = both_ends("reply")?;
            let [request_read, request_write] = request.map(Into::into);
            let [reply_read, reply_write] = reply.map(Into::into);
            let facts = pipe::resize([&request_write, &reply_write], case)?;
            handover::send(meet, &[&request_read, &reply_write])?;
            Descriptors::new(reply_read, request_write, spins(case), facts)
        }
        Role::Responder => {
            let [read, write] = handover::receive(meet)?;
            Descriptors::new(read, write, spins(case), Facts::new())
        }
    }
}

/// The reading and the writing end of a new FIFO whose name is already gone again.
///
/// The name is made and removed in a stretch which this process finishes even if the coordinator is killed meanwhile.
fn both_ends(which: &str) -> io::Result<[File; 2]> {
    let path = env::temp_dir().join(format!("ipc-bench-{}-{which}", process::id()));
    orphan::finish_even_alone(|| {
        doing(
            mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR),
            &format!("making the FIFO {}", path.display()),
        )?;
        let ends = open_ends(&path);
        fs::remove_file(&path)?;
        ends
    })
}

fn open_ends(path: &PathBuf) -> io::Result<[File; 2]> {
    // O_NONBLOCK lets the reading end open before there is a writer; then the writing end opens at once.
    let read = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
        .open(path)?;
    let write = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    if !read.metadata()?.file_type().is_fifo() {
        return Err(unsupported(format!("somebody replaced the FIFO {}", path.display())));
    }
    let flags = nix::fcntl::OFlag::empty();
    doing(nix::fcntl::fcntl(&read, nix::fcntl::FcntlArg::F_SETFL(flags)), "clearing O_NONBLOCK")?;
    Ok([read, write])
}
