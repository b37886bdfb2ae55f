//! Sequence registration: runs of candidates that follow a sequence, grown greedily from the best match outwards.

use crate::align::{Evidence, Hint, Match, align};
use crate::residues::{ByCode, Residues};
use crate::screen::Screen;
use crate::walk::WalkGraph;
use crate::{CoreError, Monitor};

/// Number of places above which it pays to look first where a candidate could be at all.
const MANY: usize = 2048;

/// A run of consecutive residues of one sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Place of its first residue.
    pub first: usize,
    /// Candidate of every residue; None where a walk jumped over a missing one.
    pub candidates: Vec<Option<usize>>,
    /// Posterior of every match; 0 where there is none.
    pub probability: Vec<f32>,
}

/// How runs are grown and kept.
#[derive(Debug, Clone, Copy)]
pub struct Growth {
    /// Shortest run, in matched candidates.
    pub min_run: usize,
    /// Lowest posterior of a match that extends a run.
    pub min_match: f32,
    /// Lowest mean posterior of a run.
    pub min_mean: f32,
}

/// Registers in rounds: the runs of a round are known in the next, which so finds what they leave room for.
///
/// The runs of the last round are disjoint in candidates, use no place more often than it has copies, and come with
/// the most expected residues first. Fails when `odds` or `hints` have not one entry per candidate of `graph`, and on a
/// stop.
pub fn register(
    graph: &WalkGraph,
    residues: &Residues,
    odds: Vec<ByCode>,
    hints: Vec<Vec<Hint>>,
    rounds: &[Growth],
    monitor: &Monitor,
) -> Result<Vec<Run>, CoreError> {
    if odds.len() != graph.len() || hints.len() != graph.len() {
        return Err(CoreError::Invalid("odds, hints and links must have the same number of candidates".into()));
    }
    let mut evidence = Evidence { odds, known: vec![None; graph.len()], full: vec![false; residues.len()], hints };
    let screen = (residues.len() > MANY).then(|| Screen::new(graph, residues, &evidence, monitor)).transpose()?;
    let mut runs = Vec::new();
    for growth in rounds {
        let matches = align(graph, residues, &evidence, screen.as_ref(), monitor)?;
        runs = Grower { graph, residues, matches: &matches, growth }.runs();
        evidence.learn(&runs, residues);
    }
    Ok(runs)
}

impl Evidence {
    /// Takes the matches of `runs`, and nothing else, as known.
    fn learn(&mut self, runs: &[Run], residues: &Residues) {
        let mut count = vec![0; residues.len()];
        self.known.fill(None);
        for (place, k) in runs.iter().flat_map(Run::matches) {
            self.known[k] = Some(place);
            count[place] += 1;
        }
        self.full = (0..residues.len()).map(|p| count[p] > 0 && count[p] >= residues.copies(p)).collect();
    }
}

impl Run {
    /// Places and candidates of the run.
    pub fn matches(&self) -> impl Iterator<Item = (usize, usize)> {
        self.candidates.iter().enumerate().filter_map(|(i, k)| k.map(|k| (self.first + i, k)))
    }

    /// Number of residues that are expected to be right.
    #[must_use]
    pub fn expected(&self) -> f32 {
        self.probability.iter().sum()
    }
}

/// One round: grows runs from the best matches.
struct Grower<'a> {
    graph: &'a WalkGraph,
    residues: &'a Residues,
    matches: &'a [Match],
    growth: &'a Growth,
}

impl Grower<'_> {
    /// Disjoint runs, best first, no place used more often than it has copies.
    fn runs(&self) -> Vec<Run> {
        let mut seeds: Vec<usize> = (0..self.graph.len()).filter(|&k| self.probability(k) > 0.0).collect();
        seeds.sort_by(|a, b| self.probability(*b).total_cmp(&self.probability(*a)).then(a.cmp(b)));
        let mut taken = vec![false; self.graph.len()];
        let mut runs: Vec<Run> = seeds.into_iter().filter_map(|k| self.grow(k, &mut taken)).collect();
        runs.sort_by(|a, b| b.expected().total_cmp(&a.expected()).then(a.first.cmp(&b.first)));
        let mut count = vec![0; self.residues.len()];
        runs.into_iter().flat_map(|run| self.cut(&run, &mut count)).collect()
    }

    /// Best posterior of candidate `k`.
    fn probability(&self, k: usize) -> f32 {
        self.matches[k].probability
    }

    /// The run through the best match of `seed`, if nothing has taken the seed yet and the run is good enough.
    fn grow(&self, seed: usize, taken: &mut [bool]) -> Option<Run> {
        if taken[seed] {
            return None;
        }
        taken[seed] = true;
        let place = self.matches[seed].place;
        let mut members = vec![(place, seed)];
        for direction in [1, -1] {
            let (mut from, mut at) = (None, (place, seed));
            while let Some(next) = self.extend(from, at, direction, taken) {
                taken[next.1] = true;
                members.push(next);
                from = Some(at.1);
                at = next;
            }
        }
        members.sort_unstable();
        let run = self.run(&members);
        if run.is_none() {
            // The seed stays taken: it cannot seed again, but the others may belong to another run.
            members.iter().filter(|m| m.1 != seed).for_each(|m| taken[m.1] = false);
        }
        run
    }

    /// The neighbour of `k`, reached from `from`, that agrees to be the next residue and is the best by its link and
    /// posterior; else the best candidate to jump to. Copies of a residue that lie side by side agree alike: only the
    /// link tells them apart.
    fn extend(
        &self,
        from: Option<usize>,
        (place, k): (usize, usize),
        direction: i64,
        taken: &[bool],
    ) -> Option<(usize, usize)> {
        let around = self.graph.neighbours(k);
        let arrival = from.and_then(|f| around.iter().position(|y| *y == f)).map_or(0, |slot| slot + 1);
        let weight = |slot: usize| match direction {
            1 => self.graph.transitions(k, slot)[arrival],
            _ => self.graph.transition_back(k, slot, arrival),
        };
        let linked = around.iter().enumerate().map(|(slot, y)| (*y, weight(slot)));
        let jumped = self.graph.jumps(k).iter().map(|y| (*y, 1.0));
        self.best(place as i64 + direction, linked, taken)
            .or_else(|| self.best(place as i64 + 2 * direction, jumped, taken))
    }

    /// The free one of the weighted candidates `around` that is most probably at `place`, if any is good enough.
    fn best(&self, place: i64, around: impl Iterator<Item = (usize, f32)>, taken: &[bool]) -> Option<(usize, usize)> {
        let place = usize::try_from(place).ok()?;
        let agrees = |y: usize| {
            let own = &self.matches[y];
            !taken[y] && own.place == place && own.probability >= self.growth.min_match
        };
        let weighted = around.filter(|(y, _)| agrees(*y)).map(|(y, weight)| (y, weight * self.probability(y)));
        weighted.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).map(|(y, _)| (place, y))
    }

    /// The run of `members`, sorted by place, if it is good enough.
    fn run(&self, members: &[(usize, usize)]) -> Option<Run> {
        let expected: f32 = members.iter().map(|m| self.probability(m.1)).sum();
        let count = members.len();
        if count < self.growth.min_run || expected < self.growth.min_mean * count as f32 {
            return None;
        }
        let (first, last) = (members.first()?.0, members.last()?.0);
        let mut run = Run { first, candidates: vec![None; last - first + 1], probability: vec![0.0; last - first + 1] };
        for &(place, k) in members {
            run.candidates[place - first] = Some(k);
            run.probability[place - first] = self.probability(k);
        }
        Some(run)
    }

    /// What is left of `run` where places are not full yet.
    fn cut(&self, run: &Run, count: &mut [usize]) -> Vec<Run> {
        let members: Vec<(usize, usize)> = run.matches().collect();
        let free = |m: &(usize, usize)| count[m.0] < self.residues.copies(m.0);
        let pieces: Vec<Run> = members.split(|m| !free(m)).filter_map(|piece| self.run(piece)).collect();
        pieces.iter().flat_map(Run::matches).for_each(|(place, _)| count[place] += 1);
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Point;
    use crate::sparse::SparseRows;

    /// A straight chain of `n` candidates, each linked to the next.
    fn chain(n: usize) -> WalkGraph {
        let points: Vec<Point> = (0..n).map(|i| [3.0 * i as f64, 0.0, 0.0]).collect();
        let around = |i: usize| [i.checked_sub(1), (i + 1 < n).then_some(i + 1)].into_iter().flatten();
        let rows: Vec<_> = (0..n).map(|i| around(i).map(|j| (j, 0.9)).collect()).collect();
        WalkGraph::new(&points, &SparseRows::from_rows(&rows)).unwrap()
    }

    fn matches(places: &[(usize, f32)]) -> Vec<Match> {
        places.iter().map(|&(place, probability)| Match { place, probability }).collect()
    }

    fn grow(matches: &[Match], copies: usize, growth: Growth) -> Vec<(usize, Vec<Option<usize>>)> {
        let residues = Residues::new(&[vec![0; 8]], &[copies]).unwrap();
        let grower = Grower { graph: &chain(matches.len()), residues: &residues, matches, growth: &growth };
        grower.runs().into_iter().map(|run| (run.first, run.candidates)).collect()
    }

    const ANY: Growth = Growth { min_run: 1, min_match: 0.1, min_mean: 0.0 };

    #[test]
    fn grows_while_matches_agree_and_jumps_over_one_that_does_not() {
        let found = grow(&matches(&[(0, 0.5), (1, 0.9), (7, 0.2), (3, 0.6), (4, 0.05)]), 1, ANY);
        assert_eq!(found[0], (0, vec![Some(0), Some(1), None, Some(3)]));
        assert_eq!(found[1..], [(7, vec![Some(2)]), (4, vec![Some(4)])]);
    }

    #[test]
    fn runs_also_against_the_order_of_candidates() {
        assert_eq!(grow(&matches(&[(4, 0.5), (3, 0.9), (2, 0.5)]), 1, ANY), [(2, vec![Some(2), Some(1), Some(0)])]);
    }

    #[test]
    fn short_and_weak_runs_are_dropped() {
        let three = matches(&[(0, 0.5), (1, 0.9), (2, 0.4)]);
        assert_eq!(grow(&three, 1, Growth { min_run: 3, ..ANY }).len(), 1);
        assert!(grow(&three, 1, Growth { min_run: 4, ..ANY }).is_empty());
        assert!(grow(&three, 1, Growth { min_mean: 0.61, ..ANY }).is_empty());
    }

    #[test]
    fn a_place_is_used_once_per_copy() {
        let twice = matches(&[(0, 0.9), (1, 0.9), (2, 0.9), (0, 0.5), (1, 0.5)]);
        assert_eq!(grow(&twice, 1, ANY), [(0, vec![Some(0), Some(1), Some(2)])]);
        assert_eq!(grow(&twice, 2, ANY).len(), 2);
    }

    #[test]
    fn refuses_odds_of_other_candidates() {
        let residues = Residues::new(&[vec![0]], &[1]).unwrap();
        assert!(register(&chain(2), &residues, Vec::new(), vec![Vec::new(); 2], &[], &Monitor::default()).is_err());
    }
}
