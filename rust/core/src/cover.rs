//! Which steps between candidates a set of disjoint chains takes, without sequences.
//!
//! Every candidate takes part in at most two steps, and two steps that meet must bend as a chain does. What each
//! candidate knows about its steps is passed on to its neighbours and back (belief propagation: exact where the steps
//! form no loops), so that a step is judged by everything around it. Linear in the candidates.

use rayon::prelude::*;

use crate::bends::Bends;
use crate::cells::squared_distance;
use crate::sparse::SparseRows;
use crate::walk::{WalkGraph, bend_odds};
use crate::{CoreError, Monitor, Point};

/// Odds of a candidate at which a chain ends, and of one that is in no chain, against one that a chain passes.
const END: f64 = 0.05;
const ALONE: f64 = 0.02;
/// Odds of a step over a missing candidate, before anything is known about its ends.
const JUMP: f64 = 0.01;
/// Odds are kept within these bounds, beyond which they tell nothing more.
const MOST_ODDS: f64 = 1e4;
/// How often beliefs are passed on, and the part of a belief that is taken over each time.
const ROUNDS: usize = 40;
const TAKEN_OVER: f64 = 0.5;

/// A step between two candidates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    pub from: usize,
    pub to: usize,
    /// Whether the residue between them has no candidate.
    pub jump: bool,
    /// Probability that a chain takes the step.
    pub probability: f32,
}

/// All possible steps, from the side of each candidate.
#[derive(Debug)]
struct Sides {
    /// Where the sides of each candidate begin.
    start: Vec<usize>,
    side: Vec<Side>,
}

/// A step as one of its candidates sees it.
#[derive(Debug, Clone, Copy)]
struct Side {
    to: usize,
    /// The same step from the other candidate.
    back: usize,
    odds: f64,
    jump: bool,
}

/// The steps over candidates at `positions` with the links `likelihood`, each once, by candidate.
pub fn cover(
    positions: &[Point],
    likelihood: &SparseRows,
    bends: &Bends,
    monitor: &Monitor,
) -> Result<Vec<Step>, CoreError> {
    let sides = Sides::new(&WalkGraph::new(positions, likelihood)?, likelihood)?;
    let weights = sides.weights(positions, bends);
    let mut said = vec![1.0; sides.side.len()];
    monitor.begin(ROUNDS);
    for _ in 0..ROUNDS {
        said = sides.round(&weights, &said, monitor)?;
        monitor.advance(1)?;
    }
    Ok(sides.steps(&said))
}

impl Sides {
    fn new(graph: &WalkGraph, likelihood: &SparseRows) -> Result<Self, CoreError> {
        let mut start = vec![0];
        let mut side: Vec<Side> = Vec::new();
        for k in 0..graph.len() {
            let walked = |c: &usize| graph.neighbours(k).binary_search(c).is_ok();
            let link = |(to, h)| Side { to, back: 0, odds: f64::from(graph.link_log_odds(h)).exp(), jump: false };
            side.extend(likelihood.row(k).filter(|(c, _)| walked(c)).map(link));
            let over = graph.jumps(k).iter().filter(|c| !walked(c));
            side.extend(over.map(|&to| Side { to, back: 0, odds: JUMP, jump: true }));
            side[start[k]..].sort_by_key(|s| s.to);
            start.push(side.len());
        }
        let mut sides = Self { start, side };
        for k in 0..graph.len() {
            for e in sides.of(k) {
                let there = sides.of(sides.side[e].to);
                let back = sides.side[there.clone()].binary_search_by_key(&k, |s| s.to);
                let back = back.map_err(|_| CoreError::Invalid("links must be symmetric".into()))?;
                sides.side[e].back = there.start + back;
            }
        }
        Ok(sides)
    }

    /// The sides of candidate `k`.
    fn of(&self, k: usize) -> std::ops::Range<usize> {
        self.start[k]..self.start[k + 1]
    }

    /// Odds that two steps of a candidate are a bend of a chain: for each candidate a square table of its steps.
    fn weights(&self, positions: &[Point], bends: &Bends) -> Vec<Vec<f64>> {
        let table = |k: usize| {
            let own = &self.side[self.of(k)];
            own.iter().flat_map(|a| own.iter().map(move |b| bend(positions, bends, k, a, b))).collect()
        };
        (0..self.start.len() - 1).into_par_iter().map(table).collect()
    }

    /// What every candidate says about the odds of its steps, from what the others said.
    fn round(&self, weights: &[Vec<f64>], said: &[f64], monitor: &Monitor) -> Result<Vec<f64>, CoreError> {
        let of = |k| {
            monitor.check()?;
            let before = self.of(k).map(|e| said[e]);
            Ok(self.say(&weights[k], k, said).into_iter().zip(before).map(|(new, old)| damped(new, old)).collect())
        };
        let rows = (0..self.start.len() - 1).into_par_iter().map(of).collect::<Result<Vec<Vec<f64>>, CoreError>>()?;
        Ok(rows.concat())
    }

    /// The odds of every step of `k` by its other steps: all ways to take at most two steps, weighed.
    fn say(&self, weights: &[f64], k: usize, said: &[f64]) -> Vec<f64> {
        let own = &self.side[self.of(k)];
        let odds: Vec<f64> = own.iter().map(|s| bounded(s.odds * said[s.back])).collect();
        let with = |e: usize| -> f64 {
            (0..own.len()).filter(|&f| f != e).map(|f| weights[e * own.len() + f] * odds[f]).sum()
        };
        let partners: Vec<f64> = (0..own.len()).map(with).collect();
        let single: f64 = odds.iter().sum();
        let double: f64 = odds.iter().zip(&partners).map(|(o, p)| o * p).sum::<f64>() / 2.0;
        let total = ALONE + END * single + double;
        let ratio = |(o, p): (&f64, &f64)| {
            let without = (total - o * (END + p)).max(ALONE);
            (END + p) / without
        };
        odds.iter().zip(&partners).map(ratio).collect()
    }

    fn steps(&self, said: &[f64]) -> Vec<Step> {
        let step = |from: usize, e: usize| {
            let Side { to, back, odds, jump } = self.side[e];
            let odds = odds * said[e] * said[back];
            Step { from, to, jump, probability: (odds / (1.0 + odds)) as f32 }
        };
        let forward = |k: usize| self.of(k).filter(move |&e| self.side[e].to > k).map(move |e| step(k, e));
        (0..self.start.len() - 1).flat_map(forward).collect()
    }
}

fn bounded(odds: f64) -> f64 {
    odds.clamp(1.0 / MOST_ODDS, MOST_ODDS)
}

/// Geometric mean, weighted, of what is said now and what was said before.
fn damped(new: f64, old: f64) -> f64 {
    bounded(new.powf(TAKEN_OVER) * old.powf(1.0 - TAKEN_OVER))
}

/// Odds that two steps of one candidate are a bend of a chain; a jump hides its bend.
fn bend(positions: &[Point], bends: &Bends, k: usize, a: &Side, b: &Side) -> f64 {
    if a.jump || b.jump {
        return 1.0;
    }
    let geometry = bend_odds(squared_distance(&positions[a.to], &positions[b.to]));
    f64::from(geometry * bends.either_way(a.to, k, b.to))
}
