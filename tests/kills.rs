//! Processes that die at any moment, in any way: the survivor gets every acknowledged byte, exactly, then `PeerDied`,
//! and nothing is left of the dead.

#[path = "common/census.rs"]
mod census;
#[path = "common/child.rs"]
mod child;
mod common;
#[path = "kills/dying.rs"]
mod dying;
#[path = "common/report.rs"]
mod report;
#[path = "kills/survivor.rs"]
mod survivor;

/// Not a test by itself: what the process does that is going to die.
#[test]
fn the_other_process() {
    let Some(role) = child::role() else { return };
    match &*role.iter().map(String::as_str).collect::<Vec<_>>() {
        ["write", seed, death] => dying::write(seed.parse().unwrap(), death),
        ["read", seed, death] => dying::read(seed.parse().unwrap(), death),
        ["both", path, seed, death] => dying::both(path, seed.parse().unwrap(), death),
        ["listen", path, seed] => dying::listen(path, seed.parse().unwrap()),
        ["true"] => {}
        role => panic!("unknown role {role:?}"),
    }
    std::process::exit(0);
}
