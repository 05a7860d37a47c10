//! Unpredictable bytes, for telling one ring from another.

/// Sixteen bytes from the kernel. Not a secret: should the kernel have none to give, the clock and the process will do.
pub(crate) fn nonce() -> [u8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: `bytes` is valid for writing its length.
    let got =
        unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), libc::GRND_NONBLOCK) };
    if got != bytes.len() as isize {
        let now = super::clock::Moment::now().as_nanos();
        bytes[..8].copy_from_slice(&now.to_le_bytes());
        bytes[8..12].copy_from_slice(&std::process::id().to_le_bytes());
    }
    bytes
}
