//! Servers that are killed with 64 calls in flight: each call ends exactly once, and what is said not to have been delivered
//! was never executed.

#[path = "common/census.rs"]
mod census;
#[path = "common/child.rs"]
mod child;
mod common;
#[path = "common/delays.rs"]
mod delays;
#[path = "kills/executioner.rs"]
mod executioner;
#[path = "rpc_kills/flight.rs"]
mod flight;
#[path = "rpc_kills/ledger.rs"]
mod ledger;
#[path = "rpc_kills/memory.rs"]
mod memory;
#[path = "common/report.rs"]
mod report;
#[path = "rpc_kills/rounds.rs"]
mod rounds;
#[path = "rpc_kills/server.rs"]
mod server;
#[path = "rpc_kills/work.rs"]
mod work;

/// A program of its own, without the usual harness, whose threads would be counted among those left behind.
fn main() {
    let Some(role) = child::role() else {
        return rounds::every_call_in_flight_ends_once_and_no_undelivered_one_was_executed();
    };
    match &*role.iter().map(String::as_str).collect::<Vec<_>>() {
        ["serve", address, codec, narrow, said_at] => {
            server::serve(address, codec, narrow.parse().unwrap(), said_at.parse().unwrap());
        }
        ["executioner"] => executioner::work(),
        role => panic!("unknown role {role:?}"),
    }
}
