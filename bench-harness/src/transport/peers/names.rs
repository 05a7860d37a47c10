//! Names for what can only be found by a name, and getting rid of them.
//!
//! Most of these crates remove their files when they are dropped. A sample ends with its peers being killed, so the
//! coordinator removes what is left itself: everything of a sample begins with one word, and the process in it is gone.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process,
};

use super::super::Role;

/// Where POSIX shared memory can be seen as files.
pub(super) const SHM: &str = "/dev/shm";

/// What everything of the sample with this initiator begins with.
fn word(initiator: u32) -> String {
    format!("ipc-bench-{initiator}-")
}

/// The word of this sample, the same on both sides.
pub(super) fn agree(role: Role, meet: &UnixStream) -> io::Result<String> {
    let mut meet = meet;
    let initiator = match role {
        Role::Initiator => {
            let pid = process::id();
            meet.write_all(&pid.to_be_bytes())?;
            pid
        }
        Role::Responder => {
            let mut pid = [0; 4];
            meet.read_exact(&mut pid)?;
            u32::from_be_bytes(pid)
        }
    };
    Ok(word(initiator))
}

/// The names for what this side and what the other side makes.
pub(super) fn ours_and_theirs(role: Role, word: &str) -> (String, String) {
    let (request, reply) = (format!("{word}request"), format!("{word}reply"));
    if role == Role::Initiator { (request, reply) } else { (reply, request) }
}

/// Returns when both sides have come here.
pub(super) fn both_are_here(meet: &UnixStream) -> io::Result<()> {
    let mut meet = meet;
    meet.write_all(&[1])?;
    meet.read_exact(&mut [0])
}

/// Removes what the sample of an initiator that is gone has left.
pub(crate) fn sweep(initiator: u32) {
    let word = word(initiator);
    for folder in [Path::new(SHM), &std::env::temp_dir()] {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            if !entry.file_name().to_string_lossy().starts_with(&word) {
                continue;
            }
            // Gone already is as good.
            let _ = match entry.file_type() {
                Ok(kind) if kind.is_dir() => fs::remove_dir_all(entry.path()),
                _ => fs::remove_file(entry.path()),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_what_one_sample_left_and_nothing_else() {
        // Numbers that no process has: the kernel's own limit is 2^22.
        let (gone, alive) = (u32::MAX, u32::MAX - 1);
        let folder = std::env::temp_dir().join(format!("{}folder", word(gone)));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), "x").unwrap();
        let [left, kept] =
            [gone, alive].map(|pid| Path::new(SHM).join(format!("{}request", word(pid))));
        fs::write(&left, "x").unwrap();
        fs::write(&kept, "x").unwrap();
        sweep(gone);
        assert!(!folder.exists() && !left.exists());
        assert!(kept.exists());
        sweep(alive);
        assert!(!kept.exists());
    }
}
