//! How long nobody was served when another node began to lead, as the traders see it: from the last answer of one epoch
//! to the first of the next.

use std::time::{Duration, Instant};

/// Which epoch answers, and the gaps so far.
#[derive(Debug, Default)]
pub struct Epochs {
    epoch: u32,
    last: Option<Instant>,
    gaps_ms: Vec<u64>,
}

/// What all gaps come to, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gaps {
    /// How many there were.
    pub count: usize,
    /// The last one.
    pub last: u64,
    /// The shortest.
    pub min: u64,
    /// Half of them were no longer.
    pub median: u64,
    /// The longest.
    pub max: u64,
}

impl Epochs {
    /// The primary of this epoch has answered something that was asked.
    pub fn answered(&mut self, epoch: u32, now: Instant) {
        if epoch < self.epoch {
            return;
        }
        if let Some(last) = self.last
            && epoch > self.epoch
        {
            let gap: Duration = now.saturating_duration_since(last);
            self.gaps_ms.push(u64::try_from(gap.as_millis()).unwrap_or(u64::MAX));
        }
        (self.epoch, self.last) = (epoch, Some(now));
    }

    /// The gaps, once there is one.
    pub fn gaps(&self) -> Option<Gaps> {
        let mut sorted = self.gaps_ms.clone();
        sorted.sort_unstable();
        Some(Gaps {
            count: sorted.len(),
            last: *self.gaps_ms.last()?,
            min: *sorted.first()?,
            median: sorted[(sorted.len() - 1) / 2],
            max: *sorted.last()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_from_the_last_answer_of_an_epoch_to_the_first_of_a_later_one() {
        let start = Instant::now();
        let mut epochs = Epochs::default();
        let answers = [(1, 0), (1, 100), (1, 150), (2, 450), (1, 460), (2, 470), (5, 1470), (6, 1500)];
        assert_eq!(epochs.gaps(), None);
        for (epoch, ms) in answers {
            epochs.answered(epoch, start + Duration::from_millis(ms));
        }
        assert_eq!(epochs.gaps_ms, [300, 1000, 30]);
        assert_eq!(epochs.gaps(), Some(Gaps { count: 3, last: 30, min: 30, median: 300, max: 1000 }));
    }
}
