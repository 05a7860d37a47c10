//! Strangers at the door: whoever does not greet exactly right is refused in time, with an error that says why, and
//! nothing of what it sent stays open.

#[path = "common/census.rs"]
mod census;
#[path = "common/child.rs"]
mod child;
mod common;
#[path = "handshake/door.rs"]
mod door;
#[path = "handshake/files.rs"]
mod files;
#[path = "handshake/fuzzing.rs"]
mod fuzzing;
#[path = "handshake/greetings.rs"]
mod greetings;
#[path = "handshake/handovers.rs"]
mod handovers;
#[path = "handshake/paths.rs"]
mod paths;
#[path = "common/report.rs"]
mod report;
#[path = "handshake/stranger.rs"]
mod stranger;
#[path = "handshake/strangers.rs"]
mod strangers;
#[path = "common/verdict.rs"]
mod verdict;
#[path = "common/wire.rs"]
mod wire;

/// Not a test by itself: what the other process does.
#[test]
fn the_other_process() {
    let Some(role) = child::role() else { return };
    match &*role.iter().map(String::as_str).collect::<Vec<_>>() {
        ["connect-as", uid, path] => strangers::connect_as(uid.parse().unwrap(), path),
        ["connect-in-namespace", path] => strangers::connect_in_namespace(path),
        ["bind-as", uid, path] => paths::bind_as(uid.parse().unwrap(), path),
        ["inherit", what] => handovers::inherit(what),
        role => panic!("unknown role {role:?}"),
    }
    std::process::exit(0);
}
