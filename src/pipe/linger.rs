//! How long a call looks for the other end before it goes to sleep.
//!
//! Waking a sleeper costs the waker a system call and the sleeper its way back to a CPU: 23 µs on the machine this was tuned on (two
//! virtual CPUs), 3 µs where both threads share one CPU, against 0.2 µs for a hand-over between threads that are awake. So a
//! call looks for a moment before it sleeps, as long as that paid off lately. With it, a round trip of 64 bytes took
//! 0.43 µs instead of 46, a message of a stream 0.35 µs instead of 23; on one CPU, where looking never pays, 7.5 instead of 7.2.

use std::hint;

/// Looks in a full try, 46 µs with the pause after each: enough for a peer that sleeps to be woken and to answer,
/// without which two ends that have both taken to sleeping would never notice that they need not.
const MOST: u32 = 2_000;
/// Fewer looks are not worth releasing the lock for.
const LEAST: u32 = 16;
/// How fast the number of looks follows experience.
const STEP: u32 = 8;
/// After tries in vain, so many calls sleep at once before the next full try.
const FIRST_PAUSE: u32 = 32;
/// Where the other end never comes in time (one CPU, a slow peer), a full try in so many calls costs next to nothing.
const LONGEST_PAUSE: u32 = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Linger {
    /// Looks of the next call; in `LEAST..=MOST`, or 0 to sleep at once.
    looks: u32,
    /// Sleeps without a look until the next full try.
    sleeps_left: u32,
    /// Sleeps between two full tries, doubled by each one in vain.
    pause: u32,
}

impl Default for Linger {
    fn default() -> Self {
        Self { looks: MOST, sleeps_left: 0, pause: FIRST_PAUSE }
    }
}

impl Linger {
    /// How often the next call is to look; 0 if it had better sleep.
    pub(super) fn looks(&mut self) -> u32 {
        if self.looks == 0 {
            match self.sleeps_left.checked_sub(1) {
                Some(left) => self.sleeps_left = left,
                None => self.looks = MOST,
            }
        }
        self.looks
    }

    /// Takes note of whether the other end came while the call looked.
    pub(super) fn learn(&mut self, came: bool) {
        if came {
            self.looks = (self.looks * STEP).min(MOST);
            self.pause = FIRST_PAUSE;
        } else if self.looks / STEP >= LEAST {
            self.looks /= STEP;
        } else {
            self.looks = 0;
            self.sleeps_left = self.pause;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Looks up to `looks` times whether `came` holds.
pub(super) fn look(looks: u32, came: impl Fn() -> bool) -> bool {
    for _ in 0..looks {
        if came() {
            return true;
        }
        hint::spin_loop();
    }
    came()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_never_comes_costs_less_and_less() {
        let mut linger = Linger::default();
        let mut looks = 0;
        for _ in 0..100_000 {
            let now = linger.looks();
            assert!(now == 0 || (LEAST..=MOST).contains(&now));
            looks += u64::from(now);
            if now > 0 {
                linger.learn(false);
            }
        }
        assert!(looks / 100_000 < 3, "{looks}");
    }

    #[test]
    fn a_peer_that_comes_again_is_looked_for_again() {
        let mut linger = Linger::default();
        for _ in 0..100_000 {
            if linger.looks() > 0 {
                linger.learn(false);
            }
        }
        // The next full try meets a peer that is awake.
        let sleeps = (0..=LONGEST_PAUSE).take_while(|_| linger.looks() < LEAST).count();
        assert!(sleeps <= LONGEST_PAUSE as usize);
        linger.learn(true);
        assert_eq!(linger.looks(), MOST);
    }
}
