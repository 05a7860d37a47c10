//! `ipc-bench`: which way of moving bytes between two processes to take on this machine.

fn main() {}
