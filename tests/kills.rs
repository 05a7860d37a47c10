//! Processes that die at any moment, in any way: the survivor gets every acknowledged byte, exactly, then `PeerDied`,
//! and nothing is left of the dead.

#[path = "common/census.rs"]
mod census;
#[path = "common/child.rs"]
mod child;
mod common;
#[path = "common/delays.rs"]
mod delays;
#[path = "kills/dying.rs"]
mod dying;
#[path = "kills/executioner.rs"]
mod executioner;
#[path = "common/pattern.rs"]
mod pattern;
#[path = "common/report.rs"]
mod report;
#[path = "kills/rounds.rs"]
mod rounds;
#[path = "kills/survivor.rs"]
mod survivor;

/// A program of its own, without the usual harness, so that a victim has one thread when it takes up its end: a process
/// that has more waits there until the kernel has registered it for `membarrier`, and cannot die for these milliseconds.
fn main() {
    let Some(role) = child::role() else {
        return rounds::whoever_dies_whenever_the_survivor_has_what_was_acknowledged();
    };
    match &*role.iter().map(String::as_str).collect::<Vec<_>>() {
        ["write", seed, death] => dying::write(seed.parse().unwrap(), death),
        ["read", seed, death] => dying::read(seed.parse().unwrap(), death),
        ["both", path, seed, death] => dying::both(path, seed.parse().unwrap(), death),
        ["listen", path, seed] => dying::listen(path, seed.parse().unwrap()),
        ["executioner"] => executioner::work(),
        ["true"] => {}
        role => panic!("unknown role {role:?}"),
    }
}
