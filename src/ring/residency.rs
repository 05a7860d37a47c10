//! Where the pages of a ring are: in huge ones, mapped before they are touched, kept from being paged out.
//!
//! All of it is asked for and none of it needed: what the system refuses is left as it is, and
//! [`Stats::memory`](super::Stats::memory) tells.

use super::core::Areas;

/// What was had of [`Options::huge_pages`](super::Options::huge_pages), [`Options::prefault`](super::Options::prefault) and
/// [`Options::lock`](super::Options::lock) for an end's memory.
///
/// ```
/// let options = ringpipe::Options::new().capacity(64 << 10).prefault(true).huge_pages(true);
/// let (reader, _writer) = options.ring()?;
/// let memory = reader.stats().memory;
/// assert!(memory.prefaulted);
/// assert!(!memory.huge_pages, "the ring is smaller than one of them");
/// # Ok::<(), ringpipe::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Residency {
    /// Every whole huge page that the ring covers is one.
    pub huge_pages: bool,
    /// Every page is mapped: no first touch stops in the kernel.
    pub prefaulted: bool,
    /// No page is ever paged out.
    pub locked: bool,
}

/// Asks for `wishes`, and gives what was had.
#[cfg(all(target_os = "linux", not(loom)))]
pub(crate) fn settle(areas: &Areas, wishes: Residency) -> Residency {
    use crate::sys::pages;

    if wishes == Residency::default() {
        return wishes;
    }
    let parts = areas.parts();
    Residency {
        // First, since it moves the bytes to other pages.
        huge_pages: wishes.huge_pages && pages::make_huge(areas.whole()),
        prefaulted: wishes.prefaulted && pages::prefault(&parts),
        locked: wishes.locked && pages::lock(&parts),
    }
}

/// Elsewhere there is nothing to ask.
#[cfg(any(not(target_os = "linux"), loom))]
pub(crate) fn settle(_areas: &Areas, _wishes: Residency) -> Residency {
    Residency::default()
}
