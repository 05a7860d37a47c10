//! The small command: the shell's way to the ring.
//!
//! `ringpipe cat --listen PATH` in one shell and `ringpipe cat --connect PATH` in another join their standard inputs and
//! outputs through a stream, as netcat does with a socket. It exits with 0 once both directions have come to a clean
//! end, with 1 on a failure of either side, with 2 if it was called wrongly, and of the signal if one ends it.

#[cfg(target_os = "linux")]
#[path = "ringpipe/args.rs"]
mod args;
#[cfg(target_os = "linux")]
#[path = "ringpipe/cat.rs"]
mod cat;
#[cfg(target_os = "linux")]
#[path = "ringpipe/copy.rs"]
mod copy;
#[cfg(target_os = "linux")]
#[path = "ringpipe/meet.rs"]
mod meet;
#[cfg(target_os = "linux")]
#[path = "ringpipe/report.rs"]
mod report;
#[cfg(target_os = "linux")]
#[path = "ringpipe/signals.rs"]
mod signals;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use clap::Parser;

    let args::Command::Cat(cat) = args::Args::parse().command;
    cat::run(&cat)
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("ringpipe: streams between processes need Linux");
    std::process::ExitCode::FAILURE
}
