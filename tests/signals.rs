//! What the system does to processes that work: signals, stops and forks in the middle of any call. None of it is an error,
//! a death or a lost byte.

#[path = "common/census.rs"]
mod census;
#[path = "common/child.rs"]
mod child;
mod common;
#[path = "common/filter.rs"]
mod filter;
#[path = "signals/flow.rs"]
mod flow;
#[path = "signals/forks.rs"]
mod forks;
#[path = "signals/pair.rs"]
mod pair;
#[path = "common/pattern.rs"]
mod pattern;
#[path = "common/report.rs"]
mod report;
#[path = "signals/stops.rs"]
mod stops;
#[path = "signals/storm.rs"]
mod storm;
#[path = "signals/storms.rs"]
mod storms;
#[path = "common/turn.rs"]
mod turn;

/// Not a test by itself: what the other process does.
#[test]
fn the_other_process() {
    let Some(role) = child::role() else { return };
    match &*role.iter().map(String::as_str).collect::<Vec<_>>() {
        ["flow", path, kind, signals] => {
            pair::other_side(path, kind.parse().unwrap(), signals.parse().unwrap());
        }
        ["connect-and-fork", path] => forks::connect_and_fork(path),
        ["inherit-and-fork"] => forks::inherit_and_fork(),
        ["true"] => {}
        role => panic!("unknown role {role:?}"),
    }
    std::process::exit(0);
}
