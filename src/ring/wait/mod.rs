//! When to look again, and how to sleep until it is worth it.
//!
//! # No wake-up is lost
//!
//! What an outsider may observe: a side that sleeps is woken by the first publication that it waits for, however
//! the two interleave, and nothing wakes it otherwise. Seen from the consumer (the producer mirrors it):
//!
//! ```text
//! publish                                       wait
//! p1 copy the bytes                             w1 listened = doorbell
//! p2 write_pos.store                    E1      w2 want.store, parked.store(number of this sleep)
//! p3 fence                              E3      w3 fence                                        E3
//! p4 parked.load != 0, and not the number       w4 look again: position, state, own flags
//!    rung for last, and write_pos >= want?      w5 sleep while doorbell == listened
//! p5 doorbell += 1                              w6 parked.store(0)
//! p6 wake                                       w7 from the start
//! ```
//!
//! The two fences have one order. If p3 comes first, w4 sees the bytes. If w3 comes first, p4 sees this sleep's number,
//! and with the number the position that this sleep waits for (E8). Then p5 follows if that is reached, and ends this
//! sleep: where w1 had read the doorbell before p5, the kernel's comparison in w5 fails or p6 finds the sleeper in
//! the queue; where w1 read what p5 left, w3 makes visible to w4 whatever came before p5, and that is what it waits for.
//!
//! So a number that was rung for once needs no second ring, since the sleeper cannot go on sleeping under it. That makes
//! at most one wake for each sleep, without the waker ever writing the sleeper's word. It is also why E8 must be: with the
//! position of an *older* sleep the waker might ring too early and use the number up, and a w1 that was late enough
//! to read what p5 left would be followed by a w4 that finds nothing, and by a sleep that nobody ends.
//!
//! Which side executes the fences is agreed upon when the sides meet: each its own, or the sleeper for both
//! ([`Fences`]). In the second case a sleeper that sleeps after hardly anything came may turn it round: after a sleep for which it
//! fenced for both it leaves `parked` at a value that is neither 0 nor a sleep. From that fence on the publisher never sees
//! 0, and whatever else it sees makes it pass p3 and repeat p4 (`Notifier::wake`), so that the next sleeps need no
//! more than the sleeper's own w3. Storing 0 takes it back: the next w3 is one for both again.
//!
//! Local events (the end's own close, a moved deadline, a peer found dead) set a private flag and then ring the
//! end's own doorbell unconditionally, which is the second half of the same argument. There is no timeout as a
//! safety net, because none is needed; the models show that each step is (`docs/models.md`).

#[cfg(all(test, not(loom)))]
mod fence_model;
mod fences;
mod park;
mod spin;

pub(crate) use fences::{Fences, SETTLE};
pub(crate) use park::{DOZE, Notifier, Sleeper, ring_for_closing};
pub use spin::Wait;
pub(crate) use spin::{Looked, Patience, soon};
