//! Copying without a transport: one thread, one message after the other into a window of memory as large as the
//! buffers of the transports. No stream can be faster than its slower copy.

use super::Batch;
use crate::{clock::monotonic_ns, control::Part, pattern::Direction::Request};

/// Copies `batch.count` messages into `window`, one behind the other and round again.
///
/// One message is filled before and every byte of the window is compared after the time is taken: the row is the
/// bare rate of the copy, and still no byte of it is taken on trust.
pub(crate) fn copy(batch: Batch, message: &mut [u8], window: &mut [u8]) -> Part {
    batch.pattern.fill(Request, batch.first, message);
    let slots = window.len() / message.len();
    let mut fault = None;
    let start_ns = monotonic_ns();
    let mut left = batch.count;
    while left > 0 {
        for slot in window.chunks_exact_mut(message.len()).take(left.min(slots as u64) as usize) {
            slot.copy_from_slice(message);
        }
        // The next round writes the same bytes; without this the compiler may notice.
        std::hint::black_box(&mut *window);
        left = left.saturating_sub(slots as u64);
    }
    let end_ns = monotonic_ns();
    let filled = batch.count.min(slots as u64) as usize;
    for slot in window.chunks_exact(message.len()).take(filled) {
        if let Err(wrong) = batch.pattern.check(Request, batch.first, slot) {
            fault.get_or_insert(wrong);
        }
    }
    Part { start_ns, end_ns, verified: filled as u64, fault, ..Part::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pattern::Pattern, report::record::Payload, scenario::Pacer};

    #[test]
    fn every_slot_of_the_window_holds_the_message_afterwards() {
        let batch = Batch {
            pattern: Pattern::new(5, Payload::Full),
            first: 2,
            count: 10,
            pacer: Pacer::none(),
        };
        let (mut message, mut window) = (vec![0; 24], vec![0; 100]);
        let part = copy(batch, &mut message, &mut window);
        assert_eq!((part.verified, part.fault), (4, None));
        assert!(window[..96].chunks(24).all(|slot| slot == message));
    }
}
