//! Where along the sequences a candidate could be at all: a quick look at all places, before `align` takes a close one.
//!
//! The same walks as in `align`, but only the best one through (candidate, place) is sought instead of the sum over all,
//! and log-weights are small whole numbers, so that many places fit into one vector instruction. Of ten thousand places a
//! candidate is left with a few hundred; the close look at those then takes as long as for a small complex.

// What is to run on wide vectors must be inlined into `wide`.
#![allow(clippy::inline_always)]

use std::ops::Range;

use rayon::prelude::*;

use crate::align::Evidence;
use crate::residues::{CODES, OUTSIDE, Residues};
use crate::walk::{JUMP, WalkGraph};
use crate::{CoreError, Monitor};

/// Places of a block; the best walk through any of them is kept.
pub const BLOCK: usize = 64;
/// Blocks that are worked on in lockstep; the compiler turns them into vector instructions.
const LANES: usize = 32;
/// Places before and after a block over which weights build up.
const MARGIN: usize = 24;
/// Log-weights are counted in parts of this size; 255 of them are certainty.
const PARTS: f32 = 12.0;
/// Parts that stand for odds of 1; fewer are lower odds, none is impossible.
const EVEN: u8 = 48;
/// Log-odds of a candidate at the place that it is known to be.
const KNOWN: u8 = EVEN + 28;
/// How far the log-weight of a block may lie under the best one of its candidate, and under the logarithm of the number
/// of places, which the best of so many reaches by chance.
const OUT_OF_QUESTION: f32 = 7.0;
const BELOW_CHANCE: f32 = 1.5;
/// Log-weights of walks to either side stop growing here, as in `align`.
const CERTAIN: u8 = 130;
/// Candidates per parallel task.
const CHUNK: usize = 1024;

type Lane = [u8; LANES];

/// Where candidates could be.
#[derive(Debug)]
pub struct Screen {
    /// The candidates of every block of places that could be there.
    blocks: Vec<Vec<usize>>,
    /// Weight of the best walks through all other blocks, per candidate.
    left_out: Vec<f64>,
}

impl Screen {
    /// Looks at all places of `residues`.
    pub fn new(
        graph: &WalkGraph,
        residues: &Residues,
        evidence: &Evidence,
        monitor: &Monitor,
    ) -> Result<Self, CoreError> {
        let costs: Vec<u8> = graph.all_transitions().iter().map(|p| cost(*p)).collect();
        let codes: Vec<[u8; CODES]> = evidence.odds.iter().map(|odds| odds.map(parts)).collect();
        let mut weights = Vec::new();
        monitor.begin(residues.len().div_ceil(BLOCK * LANES) * (2 * BLOCK + 3 * MARGIN));
        for first in (0..residues.len()).step_by(BLOCK * LANES) {
            let arch = pulp::Arch::new();
            let look = Look { graph, residues, evidence, costs: &costs, jump: cost(JUMP), codes: &codes, first, arch };
            weights.push(look.run(monitor)?);
        }
        let mut screen = Self { blocks: vec![Vec::new(); weights.len() * LANES], left_out: vec![0.0; graph.len()] };
        let chance = ((residues.len() as f32).ln() - BELOW_CHANCE) * PARTS;
        for k in 0..graph.len() {
            screen.sort(k, &weights, chance);
        }
        Ok(screen)
    }

    /// Sorts the blocks into those where candidate `k` could be, and those where it is by chance or surely not.
    fn sort(&mut self, k: usize, weights: &[Vec<Lane>], chance: f32) {
        let all = || weights.iter().flat_map(|of| of[k]).enumerate();
        let best = all().map(|(_, weight)| weight).max().unwrap_or(0);
        let least = chance.max(f32::from(best) - OUT_OF_QUESTION * PARTS);
        for (block, weight) in all() {
            if f32::from(weight) >= least {
                self.blocks[block].push(k);
            } else if weight > 0 {
                self.left_out[k] += f64::from(f32::from(weight) / PARTS).exp();
            }
        }
    }

    /// Weight of the best walks of candidate `k` through blocks where it can hardly be.
    #[must_use]
    pub fn left_out(&self, k: usize) -> f64 {
        self.left_out[k]
    }

    /// Candidates that could be at any of the places, ascending.
    #[must_use]
    pub fn within(&self, places: &Range<usize>) -> Vec<usize> {
        let last = places.end.div_ceil(BLOCK).min(self.blocks.len());
        let mut all = self.blocks[(places.start / BLOCK).min(last)..last].concat();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Odds as parts, upwards from 1; 0 for odds of 0.
fn parts(odds: f32) -> u8 {
    if odds > 0.0 { (odds.ln() * PARTS + f32::from(EVEN)).round().clamp(1.0, 255.0) as u8 } else { 0 }
}

/// What a probability below 1 takes off a log-weight.
fn cost(probability: f32) -> u8 {
    (-probability.ln() * PARTS).round().clamp(0.0, 255.0) as u8
}

/// One forward and one backward sweep over `LANES` neighbouring blocks.
struct Look<'a> {
    graph: &'a WalkGraph,
    residues: &'a Residues,
    evidence: &'a Evidence,
    /// What the steps of `graph` cost, in the order of its transitions.
    costs: &'a [u8],
    jump: u8,
    /// Odds of every residue code in parts, per candidate.
    codes: &'a [[u8; CODES]],
    /// Place at which the first block begins.
    first: usize,
    arch: pulp::Arch,
}

impl Look<'_> {
    /// The best log-weight in every block, per candidate.
    fn run(&self, monitor: &Monitor) -> Result<Vec<Lane>, CoreError> {
        let forward = self.forward(monitor)?;
        let mut best = vec![[0; LANES]; self.graph.len()];
        let (mut next, mut after) = (self.no_arrivals(), self.no_arrivals());
        for step in (MARGIN..MARGIN + BLOCK + MARGIN).rev() {
            monitor.advance(1)?;
            let column = self.column(step);
            let ended = forward.get(step - MARGIN);
            let mut new = self.no_arrivals();
            let tasks = self.graph.chunks(&mut new, CHUNK).into_par_iter().zip(best.par_chunks_mut(CHUNK));
            tasks.for_each(|((first, part), best)| {
                self.arch.dispatch(|| {
                    for (k, weights) in self.graph.by_candidate(first, part) {
                        self.leave(k, &next, &after, weights);
                        if let Some(ended) = ended {
                            raise_joined(&mut best[k - first], &ended[k], &highest(weights));
                        }
                        emit(weights, &self.emission(k, &column));
                    }
                });
            });
            after = std::mem::replace(&mut next, new);
        }
        Ok(best)
    }

    /// Log-weights of the best walks that end at each candidate, for the places of the blocks.
    fn forward(&self, monitor: &Monitor) -> Result<Vec<Vec<Lane>>, CoreError> {
        let mut old = self.no_arrivals();
        let mut kept = vec![vec![[0; LANES]; self.graph.len()]; 2];
        for step in 0..MARGIN + BLOCK {
            monitor.advance(1)?;
            let column = self.column(step);
            let mut new = self.no_arrivals();
            let mut best = vec![[0; LANES]; self.graph.len()];
            let two_back = &kept[kept.len() - 2];
            let tasks = self.graph.chunks(&mut new, CHUNK).into_par_iter().zip(best.par_chunks_mut(CHUNK));
            tasks.for_each(|((first, part), best)| {
                self.arch.dispatch(|| {
                    for (k, weights) in self.graph.by_candidate(first, part) {
                        self.arrive(k, &old, two_back, weights);
                        emit(weights, &self.emission(k, &column));
                        best[k - first] = highest(weights);
                    }
                });
            });
            old = new;
            kept.push(best);
            if step < MARGIN {
                kept.remove(0);
            }
        }
        kept.drain(..2);
        Ok(kept)
    }

    /// The best walks to each arrival at `k`, without the emission at `k` itself.
    #[inline(always)]
    fn arrive(&self, k: usize, old: &[Lane], two_back: &[Lane], weights: &mut [Lane]) {
        weights.fill([0; LANES]);
        self.graph.jumps(k).iter().for_each(|from| raise(&mut weights[0], &two_back[*from], self.jump));
        let sources = self.graph.neighbours(k).iter().zip(self.graph.back(k));
        for (weight, (&from, &slot)) in weights[1..].iter_mut().zip(sources) {
            let earlier = &old[self.graph.arrival(from)..];
            for (cost, before) in self.costs[self.graph.steps(from, slot)].iter().zip(earlier) {
                raise(weight, before, *cost);
            }
        }
    }

    /// The best walks that go on from `k` after each arrival, without the emission at `k` itself.
    #[inline(always)]
    fn leave(&self, k: usize, next: &[Lane], after: &[Lane], weights: &mut [Lane]) {
        let mut end = [0; LANES];
        self.graph.jumps(k).iter().for_each(|to| raise(&mut end, &after[self.graph.arrival(*to)], self.jump));
        weights.fill(end);
        let targets = self.graph.neighbours(k).iter().zip(self.graph.back(k)).enumerate();
        for (slot, (&to, &back)) in targets {
            let onward = &next[self.graph.arrival(to) + 1 + back];
            for (weight, cost) in weights.iter_mut().zip(&self.costs[self.graph.steps(k, slot)]) {
                raise(weight, onward, *cost);
            }
        }
    }

    #[inline(always)]
    fn emission(&self, k: usize, column: &Column) -> Lane {
        if let Some(place) = self.evidence.known[k] {
            return std::array::from_fn(|l| if column.place[l] == place as i64 { KNOWN } else { 0 });
        }
        let codes = &self.codes[k];
        let mut lane = [0; LANES];
        lane.iter_mut().zip(&column.code).for_each(|(value, code)| *value = codes[usize::from(*code)]);
        for &(place, odds) in &self.evidence.hints[k] {
            for (value, at) in lane.iter_mut().zip(&column.place) {
                if *at == place as i64 && *value > 0 {
                    *value = (f32::from(*value) + odds.ln() * PARTS).clamp(1.0, 255.0) as u8;
                }
            }
        }
        lane
    }

    /// What the lanes are at `step`; a block begins at step `MARGIN`.
    fn column(&self, step: usize) -> Column {
        let place: [i64; LANES] = std::array::from_fn(|l| (self.first + l * BLOCK + step) as i64 - MARGIN as i64);
        let full = |p: i64| usize::try_from(p).ok().and_then(|p| self.evidence.full.get(p)).is_some_and(|f| *f);
        Column { place, code: place.map(|p| if full(p) { OUTSIDE } else { self.residues.code(p) }) }
    }

    fn no_arrivals(&self) -> Vec<Lane> {
        vec![[0; LANES]; self.graph.arrival(self.graph.len())]
    }
}

/// The places that the lanes look at in one step, and their codes; where all copies of a place are known, outside.
struct Column {
    place: [i64; LANES],
    code: [u8; LANES],
}

/// Raises log-weights to those of a step that takes `cost` off them.
#[inline(always)]
fn raise(best: &mut Lane, before: &Lane, cost: u8) {
    for (b, w) in best.iter_mut().zip(before) {
        *b = (*b).max(w.saturating_sub(cost));
    }
}

/// Raises log-weights to those of two walks joined, as far as one can end there.
#[inline(always)]
fn raise_joined(best: &mut Lane, ended: &Lane, begun: &Lane) {
    for ((b, e), w) in best.iter_mut().zip(ended).zip(begun) {
        let both = if *e == 0 { 0 } else { e.saturating_add(*w) };
        *b = (*b).max(both);
    }
}

/// Adds an emission to log-weights that are at least 1 part then, or 0 where the emission is impossible.
#[inline(always)]
fn emit(weights: &mut [Lane], emission: &Lane) {
    for lane in weights {
        for (w, e) in lane.iter_mut().zip(emission) {
            let sum = w.saturating_add(*e).saturating_sub(EVEN).clamp(1, CERTAIN);
            *w = if *e == 0 { 0 } else { sum };
        }
    }
}

#[inline(always)]
fn highest(weights: &[Lane]) -> Lane {
    let mut best = [0; LANES];
    for lane in weights {
        raise(&mut best, lane, 0);
    }
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Point;
    use crate::sparse::SparseRows;

    /// A straight chain of `n` candidates that link to the next.
    fn chain(n: usize, likelihood: f32) -> WalkGraph {
        let points: Vec<Point> = (0..n).map(|i| [3.3 * i as f64, 0.0, 0.0]).collect();
        let around = |i: usize| [i.checked_sub(1), (i + 1 < n).then_some(i + 1)].into_iter().flatten();
        let rows: Vec<_> = (0..n).map(|i| around(i).map(|j| (j, likelihood)).collect()).collect();
        WalkGraph::new(&points, &SparseRows::from_rows(&rows)).unwrap()
    }

    /// Candidate i is residue `first` + i of a sequence of many, as far as types tell.
    fn planted(n: usize, first: usize, sureness: f32, codes: &[i8]) -> Evidence {
        let odds = |i: usize| std::array::from_fn(|c| if c == codes[first + i] as usize { sureness } else { 0.3 });
        let odds = (0..n).map(odds).map(|mut o: [f32; CODES]| {
            o[usize::from(OUTSIDE)] = 0.0;
            o
        });
        let places = codes.len() + 2;
        Evidence { odds: odds.collect(), known: vec![None; n], full: vec![false; places], hints: vec![Vec::new(); n] }
    }

    fn letters(length: usize, seed: u64) -> Vec<i8> {
        let next =
            |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        std::iter::successors(Some(seed), next).skip(1).map(|state| ((state >> 33) % 20) as i8).take(length).collect()
    }

    proptest! {
        #[test]
        fn candidates_are_where_they_belong_and_hardly_elsewhere(
            first in 0..4900_usize, sureness in 4.0..15.0_f32, seed in 0..1000_u64,
        ) {
            let codes = letters(5000, seed);
            let graph = chain(40, 0.9);
            let residues = Residues::new(std::slice::from_ref(&codes), &[1]).unwrap();
            let evidence = planted(40, first, sureness, &codes);
            let screen = Screen::new(&graph, &residues, &evidence, &Monitor::default()).unwrap();
            for i in 0..40 {
                prop_assert!(screen.within(&(first + i..first + i + 1)).contains(&i));
            }
            prop_assert!(screen.blocks.iter().map(Vec::len).sum::<usize>() < 40 * screen.blocks.len() / 4);
        }
    }

    #[test]
    fn a_full_place_is_no_place() {
        let codes = letters(300, 3);
        let residues = Residues::new(std::slice::from_ref(&codes), &[1]).unwrap();
        let mut evidence = planted(40, 100, 10.0, &codes);
        evidence.full.fill(true);
        let screen = Screen::new(&chain(40, 0.9), &residues, &evidence, &Monitor::default()).unwrap();
        assert!(screen.blocks.iter().all(Vec::is_empty));
    }

    #[test]
    fn parts_count_odds() {
        assert_eq!([parts(0.0), parts(1.0), parts(1e9)], [0, EVEN, 255]);
        assert_eq!(parts(std::f32::consts::E), EVEN + PARTS as u8);
        assert_eq!([cost(1.0), cost(0.0)], [0, 255]);
    }

    #[test]
    fn a_stop_is_heard() {
        let monitor = Monitor::default();
        monitor.request_stop();
        let codes = letters(300, 3);
        let residues = Residues::new(std::slice::from_ref(&codes), &[1]).unwrap();
        let found = Screen::new(&chain(40, 0.9), &residues, &planted(40, 0, 5.0, &codes), &monitor);
        assert_eq!(found.err(), Some(CoreError::Interrupted));
    }
}
