//! Slices of a ring against an end that leaves the process.

use loom::cell::UnsafeCell;
use std::sync::Arc;

use super::{ALL, beside, ends, explore};

#[test]
fn a_slice_is_gone_before_another_process_writes() {
    explore(ALL, || {
        let (reader, _writer) = ends(1);
        let areas = reader.core.areas().clone();
        let byte = Arc::new(UnsafeCell::new(0));
        let (theirs, their_byte) = (areas.clone(), byte.clone());
        beside(
            move || {
                if theirs.presence().go() {
                    // SAFETY: loom panics if a slice is read meanwhile.
                    their_byte.with_mut(|byte| unsafe { *byte = 1 });
                }
            },
            || {
                if areas.presence().enter() {
                    // SAFETY: loom panics if the byte is written meanwhile.
                    byte.with(|byte| assert_eq!(unsafe { *byte }, 0));
                    areas.presence().leave();
                }
            },
        );
    });
}
