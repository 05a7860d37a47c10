//! Sizes and times as people write them: `64KiB`, `20us`. Parsing is strict, so that `64k` is never a guess.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// The largest message a case may have; beyond it a sample no longer fits into any budget.
pub(crate) const LARGEST_MESSAGE: usize = 64 << 20;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Size(pub(crate) usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text);
        let factor = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            other => {
                return Err(format!("`{other}` is no unit of size; write 64B, 4KiB or 1MiB"));
            }
        };
        let number: usize =
            number.parse().map_err(|_| format!("`{text}` is no size; write 64B, 4KiB or 1MiB"))?;
        let bytes = number.checked_mul(factor).ok_or_else(|| format!("{text} is too large"))?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0;
        let text = if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) {
            format!("{} MiB", bytes >> 20)
        } else if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) {
            format!("{} KiB", bytes >> 10)
        } else {
            format!("{bytes} B")
        };
        f.pad(&text)
    }
}

impl Size {
    /// The size without a space, as it stands in cell names and on the command line.
    pub(crate) fn tag(self) -> String {
        self.to_string().replace(' ', "")
    }
}

/// A message size: at least one byte, at most [`LARGEST_MESSAGE`].
pub(crate) fn message_size(text: &str) -> Result<Size, String> {
    let size: Size = text.parse()?;
    match size.0 {
        0 => Err("a message has at least one byte; the smallest size is 1B".to_owned()),
        n if n > LARGEST_MESSAGE => {
            Err(format!("{text} is beyond the largest message, {}", Size(LARGEST_MESSAGE)))
        }
        _ => Ok(size),
    }
}

/// The capacity of a buffer, or `None` for the one a transport has by itself.
pub(crate) type Buffer = Option<Size>;

/// A capacity, or `own`.
pub(crate) fn buffer(text: &str) -> Result<Buffer, String> {
    match text {
        "own" => Ok(None),
        text => match text.parse()? {
            Size(0) => Err("a buffer has at least one byte; the usual one is 1MiB".to_owned()),
            size => Ok(Some(size)),
        },
    }
}

/// A span of time such as `20us`, `1.5ms`, `60s` or `2min`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "min" => 60.0,
        _ => return Err(format!("`{text}` is no time; write 20us, 5ms, 60s or 2min")),
    };
    let number: f64 =
        number.parse().map_err(|_| format!("`{text}` is no time; write 20us, 5ms, 60s or 2min"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| format!("`{text}` is no usable time"))
}

/// A rate in messages a second: `1k`, `10k`, `2500`.
pub(crate) fn messages(text: &str) -> Result<u32, String> {
    let (digits, factor) = text.strip_suffix('k').map_or((text, 1), |digits| (digits, 1_000));
    let number: Option<u32> =
        digits.parse().ok().and_then(|number: u32| number.checked_mul(factor));
    number.filter(|rate| (1..=10_000_000).contains(rate)).ok_or_else(|| {
        format!("`{text}` is no rate; write 500, 1k or 10k messages a second, at most 10000k")
    })
}

/// A count as [`messages`] reads it.
pub(crate) fn count(number: u32) -> String {
    if number >= 1_000 && number.is_multiple_of(1_000) {
        format!("{}k", number / 1_000)
    } else {
        number.to_string()
    }
}

/// Nanoseconds as [`duration`] reads them, without loss: `10us`.
pub(crate) fn time(nanos: u64) -> String {
    for (unit, name) in [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")] {
        if nanos >= unit && nanos.is_multiple_of(unit) {
            return format!("{}{name}", nanos / unit);
        }
    }
    format!("{nanos}ns")
}

/// Bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Rate(pub(crate) f64);

/// A rate such as `500MB/s` or `1.5GB/s`, in powers of ten as it is printed.
pub(crate) fn parse_rate(text: &str) -> Result<Rate, String> {
    let wrong = || format!("`{text}` is no rate; write 500MB/s or 1.5GB/s");
    let (number, unit) = split(text);
    let factor = match unit {
        "kB/s" => 1e3,
        "MB/s" => 1e6,
        "GB/s" => 1e9,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Ok(Rate(number * factor))
}

/// The time of one message, such as `1us/msg`; `/msg` may be left out.
pub(crate) fn per_message(text: &str) -> Result<Duration, String> {
    duration(text.strip_suffix("/msg").unwrap_or(text))
}

/// A share such as `10%`.
pub(crate) fn percentage(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    number
        .filter(|share| (0.0..=1000.0).contains(share))
        .map(|share| share / 100.0)
        .ok_or_else(|| format!("`{text}` is no percentage; write 10%"))
}

/// Nanoseconds in the unit in which they are easiest to read, three significant digits.
pub(crate) fn nanos(value: f64) -> String {
    match value.abs() {
        v if v < 999.5 => format!("{} ns", significant(value)),
        v if v < 999.5e3 => format!("{} µs", significant(value / 1e3)),
        v if v < 999.5e6 => format!("{} ms", significant(value / 1e6)),
        _ => format!("{} s", significant(value / 1e9)),
    }
}

/// Bytes a second in GB/s or MB/s (powers of ten, as memory and networks are sold).
pub(crate) fn rate(bytes_per_second: f64) -> String {
    if bytes_per_second >= 999.5e6 {
        format!("{} GB/s", significant(bytes_per_second / 1e9))
    } else {
        format!("{} MB/s", significant(bytes_per_second / 1e6))
    }
}

/// A figure without the zeros behind its point: `1.00 µs` is a measurement, `1 µs` a place on an axis.
pub(crate) fn plain(text: &str) -> String {
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text.to_owned(),
    }
}

/// Three significant digits without an exponent: 0.0123, 1.23, 12.3, 123, 1230.
pub(crate) fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { "–".to_owned() };
    }
    let magnitude = value.abs().log10().floor();
    let digits = (2.0 - magnitude).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.digits$}");
    // 9.996 rounds to 10.00 and would show four digits.
    let rounded: f64 = text.parse().unwrap_or(value);
    let digits = (2.0 - rounded.abs().log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{value:.digits$}")
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_reads_back_as_it_was_written() {
        for (text, bytes) in [("64B", 64), ("4KiB", 4096), ("1MiB", 1 << 20), ("17", 17)] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.0, bytes);
            assert_eq!(size.tag().parse::<Size>().unwrap(), size);
        }
    }

    #[test]
    fn a_size_that_could_mean_two_things_is_refused() {
        for text in ["64k", "64KB", "", "-1B", "1.5KiB", "99999999999999999999B"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        assert!(message_size("0B").unwrap_err().contains("1B"));
        assert!(message_size("65MiB").is_err());
    }

    #[test]
    fn a_time_needs_a_unit() {
        assert_eq!(duration("1.5ms").unwrap(), Duration::from_micros(1500));
        assert_eq!(duration("2min").unwrap(), Duration::from_secs(120));
        assert!(duration("60").is_err());
        assert!(duration("-1s").is_err());
        assert!(duration("nans").is_err());
    }

    #[test]
    fn a_limit_is_read_as_it_is_printed() {
        assert_eq!(parse_rate("1.5GB/s").unwrap(), Rate(1.5e9));
        assert_eq!(parse_rate("500 MB/s").unwrap(), Rate(5e8));
        assert!(parse_rate("500").unwrap_err().contains("500MB/s"));
        assert_eq!(per_message("1us/msg").unwrap(), Duration::from_micros(1));
        assert_eq!(per_message("20us").unwrap(), Duration::from_micros(20));
        assert_eq!(percentage("10%").unwrap(), 0.1);
        assert!(percentage("0.1").unwrap_err().contains("10%"));
        assert!(percentage("-5%").is_err());
    }

    #[test]
    fn numbers_show_three_significant_digits() {
        for (value, text) in
            [(0.01234, "0.0123"), (9.996, "10.0"), (12.34, "12.3"), (999.6, "1000"), (4.0, "4.00")]
        {
            assert_eq!(significant(value), text);
        }
        assert_eq!(nanos(54_321.0), "54.3 µs");
        assert_eq!(rate(4.4e9), "4.40 GB/s");
    }

    #[test]
    fn a_rate_and_a_gap_read_back_as_they_were_written() {
        for (text, rate) in [("1k", 1_000), ("2500", 2_500), ("10000k", 10_000_000)] {
            assert_eq!(messages(text).unwrap(), rate);
            assert_eq!(count(rate), text);
        }
        for text in ["0", "", "1M", "-1k", "10001k", "99999999999k"] {
            assert!(messages(text).is_err(), "{text}");
        }
        for (text, nanos) in
            [("10us", 10_000), ("10ms", 10_000_000), ("1500ns", 1_500), ("2s", 2_000_000_000)]
        {
            assert_eq!(duration(text).unwrap().as_nanos(), u128::from(nanos));
            assert_eq!(time(nanos), text);
        }
    }
}
