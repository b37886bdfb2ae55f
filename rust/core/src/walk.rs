//! How a chain may walk over candidates: transition probabilities between linked candidates, and jumps over a missing one.
//!
//! A walk that stands on a candidate remembers which neighbour it came from, so that it never turns back and bends
//! only as much as a protein chain does. Everything a walk can remember at one candidate is an *arrival*: arrival 0
//! is "from nowhere" (a start or a jump), arrival `1 + i` is "from the i-th neighbour".

use std::ops::Range;

use crate::bends::Bends;
use crate::cells::{Cells, squared_distance};
use crate::sparse::SparseRows;
use crate::{CoreError, Point};

/// Slope of the log-odds of a link in its likelihood H; measured on simulated and on real maps, where it is the same
/// although the level of H is not.
const LINK_SLOPE: f32 = 32.0;
/// Links with lower odds than this against a link of the reference likelihood are never walked.
const LEAST_ODDS: f32 = 0.01;
/// Bounds of the log-odds of one link.
const LEAST_LINK: f32 = -4.0;
const MOST_LINK: f32 = 1.5;
/// Weight of "no neighbour is the next residue" against a link of the reference likelihood.
const DEAD_END: f32 = 0.3;
/// Distances in Angstrom of residues i and i + 2, and the odds that a pair of links with such a distance is a bend of a chain.
const BEND_ODDS: [(f64, f32); 6] = [(4.2, 0.02), (4.7, 0.5), (6.6, 2.5), (7.3, 1.0), (7.9, 0.3), (f64::INFINITY, 0.02)];
/// Range of i, i + 2 distances in Angstrom over which a walk may jump, the probability that it does, and the number of
/// candidates among which it then chooses.
const JUMP_RANGE: (f64, f64) = (4.7, 7.6);
const JUMP_PROBABILITY: f32 = 0.05;
const JUMP_CHOICES: f32 = 10.0;

/// Probability of each jump; the same in both directions.
pub const JUMP: f32 = JUMP_PROBABILITY / JUMP_CHOICES;

/// The transition probabilities of walks.
#[derive(Debug, Default)]
pub struct WalkGraph {
    /// Where the neighbours of each candidate begin in `neighbour` and `back`.
    start: Vec<usize>,
    neighbour: Vec<usize>,
    /// Slot of the candidate in its neighbour's list of neighbours.
    back: Vec<usize>,
    /// Where the transition table of each candidate begins in `table`.
    table_start: Vec<usize>,
    /// Per candidate and outgoing slot: probability after each arrival.
    table: Vec<f32>,
    jumps: Vec<Vec<usize>>,
    /// Likelihood at which a link is as often right as wrong.
    reference: f32,
}

impl WalkGraph {
    /// The walks over candidates at `positions` with the links `likelihood`.
    pub fn new(positions: &[Point], likelihood: &SparseRows) -> Result<Self, CoreError> {
        Self::with_bends(positions, likelihood, &Bends::default())
    }

    /// The same where a second look at the map tells which bends are those of the chain, and which way it runs.
    pub fn with_bends(positions: &[Point], likelihood: &SparseRows, bends: &Bends) -> Result<Self, CoreError> {
        if positions.len() != likelihood.len() {
            return Err(CoreError::Invalid("positions and links must have the same length".into()));
        }
        let reference = reference_likelihood(likelihood);
        let (start, neighbour, value) = passable(likelihood, reference);
        let back = back_slots(&start, &neighbour)?;
        let mut graph = Self {
            start,
            neighbour,
            back,
            table_start: vec![0],
            table: Vec::new(),
            jumps: jumps(positions)?,
            reference,
        };
        for k in 0..positions.len() {
            graph.push_table(positions, &value, bends, k);
        }
        Ok(graph)
    }

    /// The same walks as far as they stay among `members` (ascending), which become 0, 1, 2 ...
    #[must_use]
    pub fn among(&self, members: &[usize]) -> Self {
        let index = |k: &usize| members.binary_search(k).ok();
        let mut part = Self { start: vec![0], table_start: vec![0], reference: self.reference, ..Self::default() };
        for &k in members {
            let around = self.neighbours(k);
            let slots: Vec<usize> = (0..around.len()).filter(|&slot| index(&around[slot]).is_some()).collect();
            part.neighbour.extend(around.iter().filter_map(index));
            part.start.push(part.neighbour.len());
            for &slot in &slots {
                let row = self.transitions(k, slot);
                part.table.push(row[0]);
                part.table.extend(slots.iter().map(|from| row[1 + from]));
            }
            part.table_start.push(part.table.len());
            part.jumps.push(self.jumps(k).iter().filter_map(index).collect());
        }
        for k in 0..members.len() {
            let slot = |y: &usize| part.neighbours(*y).partition_point(|x| *x < k);
            part.back.extend(part.neighbours(k).iter().map(slot).collect::<Vec<_>>());
        }
        part
    }

    /// Number of candidates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.start.len() - 1
    }

    /// Whether there are no candidates.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Log-odds that a link of likelihood `h` joins consecutive residues, within what one link can tell.
    #[must_use]
    pub fn link_log_odds(&self, h: f32) -> f32 {
        (LINK_SLOPE * (h - self.reference)).clamp(LEAST_LINK, MOST_LINK)
    }

    /// Linked candidates of `k`.
    #[must_use]
    pub fn neighbours(&self, k: usize) -> &[usize] {
        &self.neighbour[self.start[k]..self.start[k + 1]]
    }

    /// Slot of `k` in the list of each of its neighbours.
    #[must_use]
    pub fn back(&self, k: usize) -> &[usize] {
        &self.back[self.start[k]..self.start[k + 1]]
    }

    /// Where the arrivals of `k` begin when all arrivals of all candidates are numbered.
    #[must_use]
    pub fn arrival(&self, k: usize) -> usize {
        self.start[k] + k
    }

    /// Probability of the step from `k` to its neighbour in `slot`, for every arrival at `k`.
    #[must_use]
    pub fn transitions(&self, k: usize, slot: usize) -> &[f32] {
        &self.table[self.steps(k, slot)]
    }

    /// Weight of the way over `k` to its neighbour in `slot`, seen by a walk that came by `arrival` and goes backward
    /// along the sequence: the chain runs the other way.
    #[must_use]
    pub fn transition_back(&self, k: usize, slot: usize, arrival: usize) -> f32 {
        match arrival {
            0 => self.transitions(k, slot)[0],
            a => self.transitions(k, a - 1)[1 + slot],
        }
    }

    /// Where the transitions from `k` to its neighbour in `slot` stand among all transitions.
    #[must_use]
    pub fn steps(&self, k: usize, slot: usize) -> Range<usize> {
        let arrivals = self.neighbours(k).len() + 1;
        let at = self.table_start[k] + slot * arrivals;
        at..at + arrivals
    }

    /// All transitions of all candidates.
    #[must_use]
    pub fn all_transitions(&self) -> &[f32] {
        &self.table
    }

    /// Values of all arrivals in parts of `size` candidates, each with its first candidate.
    pub fn chunks<'a, T>(&self, mut arrivals: &'a mut [T], size: usize) -> Vec<(usize, &'a mut [T])> {
        let mut parts = Vec::new();
        for first in (0..self.len()).step_by(size) {
            let end = (first + size).min(self.len());
            let (part, rest) = arrivals.split_at_mut(self.arrival(end) - self.arrival(first));
            parts.push((first, part));
            arrivals = rest;
        }
        parts
    }

    /// The candidates from `first` on with the values of their arrivals, as far as `part` holds them.
    #[expect(clippy::inline_always, reason = "called once per candidate in the innermost loops")]
    #[inline(always)]
    pub fn by_candidate<'a, T>(&self, first: usize, part: &'a mut [T]) -> impl Iterator<Item = (usize, &'a mut [T])> {
        let mut rest = part;
        (first..self.len()).map_while(move |k| {
            let all = std::mem::take(&mut rest);
            let (own, others) = all.split_at_mut_checked(self.neighbours(k).len() + 1)?;
            rest = others;
            Some((k, own))
        })
    }

    /// Candidates that a walk may jump to from `k`, over a residue whose candidate is missing.
    #[must_use]
    pub fn jumps(&self, k: usize) -> &[usize] {
        &self.jumps[k]
    }

    fn push_table(&mut self, positions: &[Point], value: &[f32], bends: &Bends, k: usize) {
        let range = self.start[k]..self.start[k + 1];
        let around = &self.neighbour[range.clone()];
        let odds: Vec<f32> = value[range].iter().map(|h| (LINK_SLOPE * (h - self.reference)).exp()).collect();
        let arrivals = around.len() + 1;
        let mut table = vec![0.0; around.len() * arrivals];
        for arrival in 0..arrivals {
            let weight = |slot: usize| match arrival {
                0 => odds[slot],
                a if a == slot + 1 => 0.0,
                a => {
                    let (before, after) = (around[a - 1], around[slot]);
                    let geometry = bend_odds(squared_distance(&positions[before], &positions[after]));
                    odds[slot] * geometry * bends.odds(before, k, after)
                }
            };
            let total: f32 = DEAD_END + (0..around.len()).map(weight).sum::<f32>();
            for slot in 0..around.len() {
                table[slot * arrivals + arrival] = (1.0 - JUMP_PROBABILITY) * weight(slot) / total;
            }
        }
        self.table.extend(table);
        self.table_start.push(self.table.len());
    }
}

/// The likelihood of the n-th best link of n candidates: a chain through all of them would have that many.
fn reference_likelihood(likelihood: &SparseRows) -> f32 {
    let mut all: Vec<f32> = (0..likelihood.len()).flat_map(|k| likelihood.row(k).map(|(_, h)| h)).collect();
    // Every link is stored twice.
    let nth = (2 * likelihood.len()).min(all.len()).saturating_sub(1);
    if all.is_empty() {
        return 0.0;
    }
    *all.select_nth_unstable_by(nth, |a, b| b.total_cmp(a)).1
}

/// Odds that two links whose far ends have this squared distance are a bend of a chain.
#[must_use]
pub fn bend_odds(squared: f64) -> f32 {
    BEND_ODDS.iter().find(|(d, _)| squared < d * d).map_or(0.0, |(_, odds)| *odds)
}

/// Starts of rows, columns and values of the links that a walk would ever take.
fn passable(rows: &SparseRows, reference: f32) -> (Vec<usize>, Vec<usize>, Vec<f32>) {
    let least = reference + LEAST_ODDS.ln() / LINK_SLOPE;
    let mut start = vec![0];
    let (mut column, mut value) = (Vec::new(), Vec::new());
    for k in 0..rows.len() {
        for (c, v) in rows.row(k).filter(|(_, v)| *v >= least) {
            column.push(c);
            value.push(v);
        }
        start.push(column.len());
    }
    (start, column, value)
}

fn back_slots(start: &[usize], neighbour: &[usize]) -> Result<Vec<usize>, CoreError> {
    let mut back = Vec::with_capacity(neighbour.len());
    for k in 0..start.len() - 1 {
        for &y in &neighbour[start[k]..start[k + 1]] {
            let slot = neighbour[start[y]..start[y + 1]].binary_search(&k);
            back.push(slot.map_err(|_| CoreError::Invalid("links must be symmetric".into()))?);
        }
    }
    Ok(back)
}

fn jumps(positions: &[Point]) -> Result<Vec<Vec<usize>>, CoreError> {
    let (low, high) = (JUMP_RANGE.0.powi(2), JUMP_RANGE.1.powi(2));
    let cells = Cells::new(positions, JUMP_RANGE.1)?;
    let of =
        |p: &Point| cells.near(p, 1).filter(|&j| (low..high).contains(&squared_distance(p, &positions[j]))).collect();
    Ok(positions.iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four candidates: a chain 0-1-2 that bends as a chain does, and 3 beside 1, close to 0.
    fn graph() -> WalkGraph {
        let points = [[0.0, 0.0, 0.0], [3.8, 0.0, 0.0], [5.1, 3.6, 0.0], [1.9, 3.3, 0.0]];
        let rows = [vec![(1, 0.9)], vec![(0, 0.9), (2, 0.9), (3, 0.9)], vec![(1, 0.9)], vec![(1, 0.9)]];
        WalkGraph::new(&points, &SparseRows::from_rows(&rows)).unwrap()
    }

    #[test]
    fn steps_never_turn_back_and_prefer_bends_of_chains() {
        let graph = graph();
        let from_0 = graph.back(0)[0];
        let onward: Vec<f32> = (0..3).map(|slot| graph.transitions(1, slot)[1 + from_0]).collect();
        assert!(onward[0] == 0.0 && onward[1] > 0.5 && onward[2] < 0.05, "{onward:?}");
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "the same number, seen from the other side")]
    fn a_chain_is_walked_as_its_bends_run() {
        let points = [[0.0, 0.0, 0.0], [3.8, 0.0, 0.0], [5.1, 3.6, 0.0]];
        let links = SparseRows::from_rows(&[vec![(1, 0.9)], vec![(0, 0.9), (2, 0.9)], vec![(1, 0.9)]]);
        let bends = Bends::new(3, &[[0, 1, 2], [2, 1, 0]], &[20.0, 0.05]).unwrap();
        let graph = WalkGraph::with_bends(&points, &links, &bends).unwrap();
        let (onward, back) = (graph.transitions(1, 1)[1], graph.transitions(1, 0)[2]);
        assert!(onward > 0.9 && back < 0.3, "{onward} {back}");
        // Backward along the sequence the same chain is followed from 2 over 1 to 0.
        assert_eq!(graph.transition_back(1, 0, 2), onward);
        assert_eq!(graph.transition_back(1, 1, 0), graph.transitions(1, 1)[0]);
    }

    #[test]
    fn steps_are_probabilities() {
        let graph = graph();
        for k in 0..graph.len() {
            for arrival in 0..=graph.neighbours(k).len() {
                let total: f32 = (0..graph.neighbours(k).len()).map(|s| graph.transitions(k, s)[arrival]).sum();
                assert!(total < 1.0 - JUMP_PROBABILITY + 1e-6);
            }
        }
    }

    #[test]
    fn a_part_walks_as_the_whole() {
        let graph = graph();
        let part = graph.among(&[0, 1, 3]);
        assert_eq!((part.neighbours(1), part.back(1)), (&[0, 2][..], &[0, 0][..]));
        let whole = |slot: usize| graph.transitions(1, slot);
        assert_eq!(part.transitions(1, 1), [whole(2)[0], whole(2)[1], whole(2)[3]]);
        assert_eq!(part.jumps(0), graph.jumps(0).iter().filter(|k| **k != 2).map(|k| (*k).min(2)).collect::<Vec<_>>());
    }

    #[test]
    fn poor_links_are_not_walked() {
        let points = [[0.0, 0.0, 0.0], [3.8, 0.0, 0.0], [7.6, 0.0, 0.0], [11.4, 0.0, 0.0]];
        let rows = [
            vec![(1, 0.9), (2, 0.2)],
            vec![(0, 0.9), (2, 0.9), (3, 0.9)],
            vec![(0, 0.2), (1, 0.9), (3, 0.9)],
            vec![(1, 0.9), (2, 0.9)],
        ];
        let graph = WalkGraph::new(&points, &SparseRows::from_rows(&rows)).unwrap();
        assert_eq!(graph.neighbours(0), [1]);
        assert!(graph.link_log_odds(0.2) <= LEAST_LINK);
    }

    #[test]
    fn refuses_one_way_links() {
        let one_way = SparseRows::from_rows(&[vec![(1, 0.9)], vec![]]);
        assert!(WalkGraph::new(&[[0.0; 3]; 2], &one_way).is_err());
        assert!(WalkGraph::new(&[[0.0; 3]], &one_way).is_err());
    }
}
