//! Rings on the heap, for the models: no files, no mappings, and every byte under loom's eye.

/// The layout of two ends in one process.
pub(crate) mod compact {
    use std::{ptr::NonNull, sync::Arc};

    use crate::{
        error::Error,
        ring::core::{
            Areas,
            copy::Data,
            layout::{Bells, Side},
        },
    };

    #[derive(Default)]
    struct Memory {
        producer: Side,
        consumer: Side,
        bells: Bells,
    }

    /// Nothing stands in the place of the file.
    #[derive(Debug)]
    pub(crate) struct File;

    /// Makes a direction of `capacity` bytes.
    pub(crate) fn create(capacity: usize) -> Result<(Areas, File), Error> {
        let memory = Arc::new(Memory::default());
        let (producer, consumer) =
            (NonNull::from(&memory.producer), NonNull::from(&memory.consumer));
        let bells = NonNull::from(&memory.bells);
        let data = Data::new(capacity);
        // SAFETY: the pointers lead into `memory`, which goes along, and everything in it is atomic.
        let areas = unsafe { Areas::new(producer, consumer, bells, data, memory) };
        Ok((areas, File))
    }
}
