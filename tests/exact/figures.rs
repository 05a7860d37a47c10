//! A figure with its bound: said, written down where somebody asks for it, and held to.

use std::{env, fs::OpenOptions, io::Write};

/// Says that `what` is `value`, and fails if that is more than `at_most`. `goal` is the row of the list of goals.
///
/// A line of JSON goes to the file that `RINGPIPE_FIGURES` names.
pub(crate) fn figure(goal: &str, what: &str, value: u64, at_most: u64) {
    println!("{goal}: {what}: {value} (at most {at_most})");
    if let Ok(path) = env::var("RINGPIPE_FIGURES") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        let line =
            format!(r#"{{"goal":"{goal}","what":"{what}","value":{value},"at_most":{at_most}}}"#);
        // In one call, because tests run side by side.
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    assert!(value <= at_most, "{what}: {value}, at most {at_most}");
}
