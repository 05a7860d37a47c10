//! The memory into which the bare copy goes.

use crate::case::Case;

/// As much memory as the transports have for their buffers, and room for one message at least; already touched.
pub(crate) fn window(case: &Case) -> Vec<u8> {
    // Not zero, because zeroed pages would be one shared page until the first write.
    vec![1; case.buffer.map_or(0, |buffer| buffer.0).max(case.size.0)]
}
