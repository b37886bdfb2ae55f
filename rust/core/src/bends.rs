//! What a second look at the map says of bends: three candidates in the order of the chain.

use crate::CoreError;

/// Odds of bends that nobody looked at, because no chain bends so.
const UNSEEN: f32 = 0.05;

/// Odds that a chain runs through three candidates in this order.
#[derive(Debug, Default)]
pub struct Bends {
    /// Where the bends at each middle candidate begin in `ends`.
    start: Vec<usize>,
    /// Candidates before and after, ascending for each middle one.
    ends: Vec<([usize; 2], f32)>,
}

impl Bends {
    /// The bends `(before, middle, after)` of `n` candidates with their odds, in any order.
    pub fn new(n: usize, triples: &[[usize; 3]], odds: &[f32]) -> Result<Self, CoreError> {
        if triples.len() != odds.len() || triples.iter().flatten().any(|&k| k >= n) {
            return Err(CoreError::Invalid("bends must name candidates that exist, and have one value each".into()));
        }
        if odds.iter().any(|odds| *odds <= 0.0) {
            return Err(CoreError::Invalid("odds of bends must be positive".into()));
        }
        let mut sorted: Vec<([usize; 3], f32)> =
            triples.iter().zip(odds).map(|(&[before, middle, after], &o)| ([middle, before, after], o)).collect();
        sorted.sort_unstable_by_key(|bend| bend.0);
        let start = (0..=n).map(|k| sorted.partition_point(|bend| bend.0[0] < k)).collect();
        Ok(Self { start, ends: sorted.into_iter().map(|([_, before, after], o)| ([before, after], o)).collect() })
    }

    /// Odds that the chain runs from `before` over `middle` to `after`; 1 where no bend was looked at.
    #[must_use]
    pub fn odds(&self, before: usize, middle: usize, after: usize) -> f32 {
        if self.ends.is_empty() {
            return 1.0;
        }
        let here = &self.ends[self.start[middle]..self.start[middle + 1]];
        here.binary_search_by_key(&[before, after], |bend| bend.0).map_or(UNSEEN, |found| here[found].1)
    }

    /// The same whichever way the chain runs.
    #[must_use]
    pub fn either_way(&self, end: usize, middle: usize, other: usize) -> f32 {
        f32::midpoint(self.odds(end, middle, other), self.odds(other, middle, end))
    }

    /// Log-odds that a chain runs from `before` to `after`, against the other way round.
    #[must_use]
    pub fn forward(&self, before: usize, middle: usize, after: usize) -> f32 {
        (self.odds(before, middle, after) / self.odds(after, middle, before)).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "values are handed through")]
    fn a_bend_has_its_odds_in_its_own_order() {
        let bends = Bends::new(4, &[[2, 1, 0], [0, 1, 2], [1, 2, 3]], &[0.25, 8.0, 3.0]).unwrap();
        assert_eq!([bends.odds(0, 1, 2), bends.odds(2, 1, 0), bends.odds(1, 2, 3)], [8.0, 0.25, 3.0]);
        assert_eq!([bends.odds(3, 2, 1), bends.odds(1, 0, 3)], [UNSEEN; 2]);
        assert_eq!([bends.either_way(0, 1, 2), bends.either_way(2, 1, 0)], [4.125; 2]);
        assert_eq!([bends.forward(0, 1, 2), bends.forward(2, 1, 0)], [32f32.ln(), -(32f32.ln())]);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "values are handed through")]
    fn without_bends_all_odds_are_even() {
        assert_eq!([Bends::default().odds(0, 1, 2), Bends::default().either_way(0, 1, 2)], [1.0; 2]);
        assert_eq!(Bends::default().forward(0, 1, 2), 0.0);
    }

    #[test]
    fn refuses_other_candidates() {
        assert!(Bends::new(2, &[[0, 1, 2]], &[1.0]).is_err());
        assert!(Bends::new(3, &[[0, 1, 2]], &[]).is_err());
        assert!(Bends::new(3, &[[0, 1, 2]], &[0.0]).is_err());
    }
}
