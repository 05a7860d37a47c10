//! A hostile peer: one that lies in every field, writes every shared word, dies, stops, and never answers. Whatever
//! it does, this side gets data, `Corrupt`, a timeout or the peer's error; it never panics, hangs or dies of a signal.

#[path = "hostile/behaviour.rs"]
mod behaviour;
#[path = "common/child.rs"]
mod child;
mod common;
#[path = "common/hostile.rs"]
mod hostile;
#[path = "common/report.rs"]
mod report;
#[path = "hostile/scribbler.rs"]
mod scribbler;
#[path = "hostile/sequences.rs"]
mod sequences;
#[path = "common/verdict.rs"]
mod verdict;
#[path = "common/wire.rs"]
mod wire;
#[path = "hostile/words.rs"]
mod words;

/// Not a test by itself: what the other process does.
#[test]
fn the_other_process() {
    let Some(role) = child::role() else { return };
    match &*role.iter().map(String::as_str).collect::<Vec<_>>() {
        ["scribble", path, seed] => scribbler::scribble(path, seed.parse().unwrap()),
        ["drive", cpu, seed, count] => {
            sequences::drive_on(cpu.parse().unwrap(), seed.parse().unwrap(), count.parse().unwrap())
        }
        role => panic!("unknown role {role:?}"),
    }
    std::process::exit(0);
}
