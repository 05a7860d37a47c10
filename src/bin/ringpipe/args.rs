//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use ringpipe::Options;

/// Streams between two processes through shared memory.
#[derive(Debug, Parser)]
#[command(name = "ringpipe", version, about)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Join standard input and output to a stream, as netcat does with a socket.
    ///
    /// One side listens, the other connects; then they are equal. What one reads from its standard input the other
    /// writes to its standard output. Each direction ends for itself; both are over before the command is.
    Cat(Cat),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Cat {
    #[command(flatten)]
    pub(crate) place: Place,

    /// Bytes that wait in the ring for the other side to read: a power of two from 4KiB to 1GiB, such as 65536 or 64KiB.
    /// Each side chooses for what it sends.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_size)]
    pub(crate) capacity: usize,

    /// What to do while there is nothing to read or no room to write: sleep at once, look for a while first, or never
    /// sleep, which occupies a CPU.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) wait: Wait,

    /// Print one line with the counts of both directions to standard error at the end.
    #[arg(long)]
    pub(crate) stats: bool,

    /// Show on standard error how far it is while it runs.
    #[arg(long)]
    pub(crate) progress: bool,
}

#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub(crate) struct Place {
    /// Wait at this path for one process that connects, then remove the path.
    #[arg(long, value_name = "PATH")]
    pub(crate) listen: Option<PathBuf>,

    /// Connect to the process that listens at this path.
    #[arg(long, value_name = "PATH")]
    pub(crate) connect: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Wait {
    Block,
    #[default]
    Adaptive,
    Spin,
}

impl Cat {
    pub(crate) fn options(&self) -> Options {
        let wait = match self.wait {
            Wait::Block => ringpipe::Wait::Park,
            Wait::Adaptive => ringpipe::Wait::Adaptive,
            Wait::Spin => ringpipe::Wait::Spin,
        };
        Options::new()
            .capacity(self.capacity)
            .wait(wait)
            // The memory is the peer's, of the same user; any ring that it could make will do.
            .max_peer_capacity(1 << 30)
            .handshake_timeout(super::meet::PATIENCE)
    }
}

/// A number of bytes, or one with a binary unit: `65536`, `64K`, `64KiB`, `1M`. Which sizes a ring can have is for
/// the library to say.
fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err(format!("`{unit}` is no unit of size; use B, KiB, MiB or GiB")),
    };
    let number: usize = number
        .parse()
        .map_err(|_| "a size is a number of bytes, such as 65536 or 64KiB".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "no memory has that many bytes".to_owned())
}
