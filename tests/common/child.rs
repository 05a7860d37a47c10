//! Other processes: this test executable, started again in a role.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::{
    env,
    process::{Command, Stdio},
};

const ROLE: &str = "RINGPIPE_TEST_ROLE";

/// Starts this executable again, to run only the test `the_other_process`, which asks for its [`role`].
pub fn other(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "the_other_process", "--nocapture", "--test-threads=1"])
        .env(ROLE, role);
    // What the test runner says of its one test; what the role has to say goes to the standard error.
    command.stdout(Stdio::null());
    command
}

/// The words of the role this process was started in; none if it is the test itself.
pub fn role() -> Option<Vec<String>> {
    let role = env::var(ROLE).ok()?;
    Some(role.split(' ').map(str::to_owned).collect())
}
