//! What was found broken, one test for each.

use libc::{EAGAIN, EFAULT, EFBIG, EINTR, ENOBUFS, ENOLCK, ENOMEM, ENOSYS, EPERM};

use crate::{
    adversity::Adversity,
    calls::place,
    cases::{Case, all_fine, operation, run},
    injector::Injection,
    limits::Limit,
    turn::alone,
};

/// Calls of one kind that are tried, from the first; not every operation makes so many.
const PLACES: u32 = 12;

/// How long a call goes on failing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lasting {
    Once,
    ForEver,
}

/// Has each `call` of an operation fail in each of these ways, and every later one as well if that is how it goes on;
/// gives the outcomes of the cases in which one did.
fn outcomes(name: &str, call: &str, errors: &[i32], lasting: Lasting) -> Vec<String> {
    let _turn = alone();
    let operation = operation(name);
    let call = place(call);
    let cases = (1..=PLACES).flat_map(|nth| {
        errors.iter().map(move |&errno| {
            let fault = Injection { call, nth, errno, forever: lasting == Lasting::ForEver };
            Case { operation, adversity: Adversity::Faults(vec![fault]) }
        })
    });
    let done = all_fine(run(cases));
    let struck = done.iter().filter(|(_, verdict)| verdict.hits != 0);
    let outcomes: Vec<_> = struck.map(|(_, verdict)| verdict.outcome().to_owned()).collect();
    assert!(!outcomes.is_empty(), "nothing was struck");
    println!("{name}: {} cases", outcomes.len());
    outcomes
}

/// Asserts that every outcome is one of these.
fn are(outcomes: &[String], allowed: &[&str]) {
    assert!(outcomes.iter().all(|outcome| allowed.contains(&&**outcome)), "{outcomes:?}");
}

#[test]
fn a_wake_that_failed_is_made_again() {
    // The sleeper slept on, for ever.
    are(&outcomes("sleeping", "futex", &[ENOMEM, EFAULT], Lasting::Once), &["fine"]);
}

#[test]
fn a_peer_that_cannot_be_woken_is_told_of_a_death() {
    let outcomes = outcomes("sleeping", "futex", &[EPERM], Lasting::ForEver);
    are(&outcomes, &["fine", "PeerDied", "Closed"]);
}

#[test]
fn a_process_that_may_not_wake_others_makes_no_ring() {
    // Struck later, it has made one already.
    let outcomes = outcomes("a ring", "futex", &[EPERM, ENOSYS], Lasting::ForEver);
    are(&outcomes, &["Unsupported", "fine"]);
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "Unsupported").count(), 2);
}

#[test]
fn a_light_that_cannot_be_switched_on_is_a_death() {
    let name = "accepting a polled stream";
    let outcomes = outcomes(name, "sendto", &[ENOBUFS], Lasting::ForEver);
    are(&outcomes, &["fine", "PeerDied", "Closed"]);
}

#[test]
fn a_directory_that_cannot_be_unlocked_is_no_panic() {
    let outcomes = outcomes("a listener", "flock", &[EPERM, ENOLCK], Lasting::Once);
    are(&outcomes, &["fine", "Os"]);
}

#[test]
fn a_thread_that_gets_no_memory_is_done_without() {
    // The standard library's threads end the process.
    for call in ["mmap", "mprotect"] {
        are(&outcomes("accepting", call, &[ENOMEM, EAGAIN], Lasting::Once), &["fine", "Os"]);
    }
}

#[test]
fn a_death_is_noticed_where_nothing_may_be_waited_for() {
    let name = "the death of the peer";
    are(&outcomes(name, "epoll_wait", &[EPERM, ENOSYS], Lasting::ForEver), &["fine"]);
}

#[test]
fn a_listener_that_fails_leaves_no_file() {
    for call in ["listen", "statx"] {
        are(&outcomes("a listener", call, &[ENOBUFS, EPERM], Lasting::Once), &["Os", "fine"]);
    }
}

#[test]
fn no_random_numbers_are_needed() {
    // A table of the standard library's opened a device, and kept it open.
    are(&outcomes("accepting", "getrandom", &[ENOSYS, EPERM], Lasting::ForEver), &["fine"]);
}

#[test]
fn a_range_that_cannot_be_trimmed_is_given_back() {
    are(&outcomes("a ring", "munmap", &[ENOMEM], Lasting::Once), &["Os", "fine"]);
}

#[test]
fn a_copy_is_told_from_the_original_where_no_page_can_be_wiped() {
    for call in ["mmap", "madvise"] {
        are(&outcomes("a forked copy", call, &[ENOMEM], Lasting::Once), &["Os", "fine"]);
    }
}

#[test]
fn an_interrupted_allocation_goes_on() {
    for call in ["ftruncate", "fallocate"] {
        are(&outcomes("a ring", call, &[EINTR], Lasting::Once), &["fine"]);
    }
}

#[test]
fn a_limit_on_files_is_an_error_and_no_signal() {
    let _turn = alone();
    let adversity = Adversity::Limit(Limit::FileSize(4096));
    let done = all_fine(run([Case { operation: operation("a ring"), adversity }]));
    let expected = std::io::Error::from_raw_os_error(EFBIG).to_string();
    assert!(done[0].1.outcome.contains(&expected), "{}", done[0].1.outcome);
}
