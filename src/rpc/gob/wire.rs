//! Numbers and byte strings as gob writes them.

/// Below 128 one byte; else the negated count of bytes, and the bytes, most significant first.
pub(super) fn put_uint(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        out.push(value as u8);
        return;
    }
    let skip = (value.leading_zeros() / 8) as usize;
    let bytes = &value.to_be_bytes()[skip..];
    out.push((bytes.len() as u8).wrapping_neg());
    out.extend_from_slice(bytes);
}

/// The sign goes into the lowest bit, and complements the others.
pub(super) fn put_int(out: &mut Vec<u8>, value: i64) {
    let bits = (value as u64) << 1;
    put_uint(out, if value < 0 { !bits } else { bits });
}

/// The bits from the other end, so that the zeros of a round number lead.
pub(super) fn put_float(out: &mut Vec<u8>, value: f64) {
    put_uint(out, value.to_bits().swap_bytes());
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What a message lacks when it ends early.
pub(super) const SHORT: &str = "the message ends in the middle of a value";

/// Reads a message from front to back.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// An unsigned number, or `None` if it is not all there. `Err` for one that cannot be.
    pub(super) fn try_uint(&mut self) -> Result<Option<u64>, String> {
        let Some((&first, rest)) = self.0.split_first() else {
            return Ok(None);
        };
        if first < 0x80 {
            self.0 = rest;
            return Ok(Some(u64::from(first)));
        }
        let count = usize::from(first.wrapping_neg());
        if count > 8 {
            return Err(format!("a number of {count} bytes is too long"));
        }
        if rest.len() < count {
            return Ok(None);
        }
        let (bytes, rest) = rest.split_at(count);
        self.0 = rest;
        Ok(Some(bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte))))
    }

    pub(super) fn uint(&mut self) -> Result<u64, String> {
        self.try_uint()?.ok_or_else(|| SHORT.to_owned())
    }

    pub(super) fn int(&mut self) -> Result<i64, String> {
        let bits = self.uint()?;
        let value = (bits >> 1) as i64;
        Ok(if bits & 1 == 1 { !value } else { value })
    }

    pub(super) fn float(&mut self) -> Result<f64, String> {
        self.uint().map(|bits| f64::from_bits(bits.swap_bytes()))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], String> {
        let length = self.uint()?;
        match usize::try_from(length) {
            Ok(length) if length <= self.0.len() => {
                let (bytes, rest) = self.0.split_at(length);
                self.0 = rest;
                Ok(bytes)
            }
            _ => Err(SHORT.to_owned()),
        }
    }

    pub(super) fn text(&mut self) -> Result<&'a str, String> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a string that is not UTF-8".to_owned())
    }

    /// How many elements follow. Each takes a byte at least, so more than there are bytes cannot be.
    pub(super) fn count(&mut self) -> Result<usize, String> {
        match usize::try_from(self.uint()?) {
            Ok(count) if count <= self.0.len() => Ok(count),
            _ => Err(SHORT.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back() {
        for value in [0, 1, 127, 128, 255, 256, 1 << 40, u64::MAX] {
            let mut out = Vec::new();
            put_uint(&mut out, value);
            assert_eq!(Reader(&out).uint(), Ok(value));
        }
        for value in [0, -1, 1, 63, 64, -64, -65, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            put_int(&mut out, value);
            assert_eq!(Reader(&out).int(), Ok(value));
        }
        for value in [0.0, -0.0, 17.0, 1e300, f64::NEG_INFINITY] {
            let mut out = Vec::new();
            put_float(&mut out, value);
            assert_eq!(Reader(&out).float().map(f64::to_bits), Ok(value.to_bits()));
        }
    }

    #[test]
    fn known_answers_of_the_format() {
        let bytes = |put: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            put(&mut out);
            out
        };
        assert_eq!(bytes(&|out| put_uint(out, 256)), [0xfe, 0x01, 0x00]);
        assert_eq!(bytes(&|out| put_int(out, -129)), [0xfe, 0x01, 0x01]);
        assert_eq!(bytes(&|out| put_float(out, 17.0)), [0xfe, 0x31, 0x40]);
    }

    #[test]
    fn what_is_cut_or_too_long_is_an_error() {
        assert_eq!(Reader(&[0xfe, 1]).try_uint(), Ok(None));
        assert!(Reader(&[0xf7, 1, 2, 3, 4, 5, 6, 7, 8, 9]).try_uint().is_err());
        assert!(Reader(&[5, 1, 2]).bytes().is_err());
        assert!(Reader(&[0xf8, 255, 255, 255, 255, 255, 255, 255, 255]).bytes().is_err());
    }
}
