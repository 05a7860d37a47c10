//! Colour and marker of each transport, the same in every picture. The marker differs where the colour does not, and
//! every series is named beside it, so that no picture needs its colours.

/// A marker's outline, as the points of a path around the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Square,
    Diamond,
    Up,
    Down,
    Cross,
    Bar,
}

/// The class in the style sheet and the marker of a transport.
pub(super) fn of(transport: &str) -> (&'static str, Marker) {
    match transport {
        "pipe" => ("pipe", Marker::Circle),
        "fifo" => ("fifo", Marker::Down),
        "unix" => ("unix", Marker::Square),
        "tcp" => ("tcp", Marker::Up),
        "ring" => ("ring", Marker::Diamond),
        "ring-in-place" => ("ring", Marker::Up),
        "unix-seqpacket" => ("unix", Marker::Circle),
        "mqueue" => ("fifo", Marker::Diamond),
        "ring-eventfd" => ("ring", Marker::Square),
        "ring-portable" => ("ring", Marker::Down),
        "memory" => ("memory", Marker::Cross),
        "memory-bufio" => ("memory", Marker::Square),
        "go-pipe" => ("memory", Marker::Circle),
        "go-rpc" => ("rpc", Marker::Circle),
        "rpc-unix" => ("rpc", Marker::Square),
        "rpc-tcp" => ("rpc", Marker::Up),
        "tarpc" => ("rpc", Marker::Circle),
        "tonic" => ("rpc", Marker::Down),
        name if name.starts_with("rpc-") => ("rpc", Marker::Diamond),
        "iceoryx2" => ("peer", Marker::Circle),
        "ipc-channel" => ("peer", Marker::Square),
        "shmem-ipc" => ("peer", Marker::Diamond),
        "shmring" => ("peer", Marker::Up),
        "ringfire" => ("peer", Marker::Down),
        "rtrb" => ("peer", Marker::Cross),
        "crossbeam" => ("peer", Marker::Bar),
        "bare" | "flag" | "futex" | "memcpy" | "relay" | "zeroed" => ("floor", Marker::Bar),
        _ => ("other", Marker::Cross),
    }
}

impl Marker {
    /// The marker at a place, as the data of a path.
    pub(super) fn path(self, x: f64, y: f64) -> String {
        let polygon = |points: &[(f64, f64)]| {
            let steps: Vec<String> =
                points.iter().map(|(dx, dy)| format!("{:.1} {:.1}", x + dx, y + dy)).collect();
            format!("M{}Z", steps.join("L"))
        };
        match self {
            Self::Circle => format!("M{:.1} {y:.1}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0Z", x - 3.5),
            Self::Square => polygon(&[(-3.2, -3.2), (3.2, -3.2), (3.2, 3.2), (-3.2, 3.2)]),
            Self::Diamond => polygon(&[(0.0, -4.5), (4.5, 0.0), (0.0, 4.5), (-4.5, 0.0)]),
            Self::Up => polygon(&[(0.0, -4.2), (4.0, 3.2), (-4.0, 3.2)]),
            Self::Down => polygon(&[(0.0, 4.2), (4.0, -3.2), (-4.0, -3.2)]),
            Self::Cross => format!("M{:.1} {:.1}l7 7m0 -7l-7 7", x - 3.5, y - 3.5),
            Self::Bar => polygon(&[(-3.5, -1.0), (3.5, -1.0), (3.5, 1.0), (-3.5, 1.0)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport;

    #[test]
    fn no_two_contenders_look_alike_except_codecs_of_one_carrier() {
        let mut seen = Vec::new();
        for known in transport::known().iter().filter(|known| !known.hidden && !known.floor) {
            let look = of(known.name);
            let codec = known.name.matches('-').count() == 2;
            assert!(codec || !seen.contains(&look), "{}", known.name);
            assert_ne!(look.0, "other", "{} has no colour", known.name);
            seen.push(look);
        }
    }
}
