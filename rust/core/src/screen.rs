//! Where along the sequences a candidate could be at all: a quick look at all places, before `align` takes a close one.
//!
//! As `align`, but only the best walk through (candidate, place) is sought instead of the sum over all walks, what a walk
//! remembers is forgotten, and log-weights are small whole numbers. That fits many places into one vector instruction. A
//! step counts as much as it can after any other, so that no walk weighs less than in `align`.

// What is to run on wide vectors must be inlined into `wide`.
#![allow(clippy::inline_always)]

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
/// Log-weight under the best of a candidate from which on a place is out of the question, and how far that of a block
/// must lie above the logarithm of the number of places: so many are that good by chance.
const OUT_OF_QUESTION: f32 = 7.0;
const ABOVE_CHANCE: f32 = -1.5;
/// Candidates per parallel task.
const CHUNK: usize = 1024;

type Lane = [u8; LANES];

/// The candidates that could be in each block of places.
#[derive(Debug)]
pub struct Screen {
    blocks: Vec<Vec<usize>>,
}

impl Screen {
    /// Looks at all places of `residues`.
    pub fn new(
        graph: &WalkGraph,
        residues: &Residues,
        evidence: &Evidence,
        monitor: &Monitor,
    ) -> Result<Self, CoreError> {
        let costs = Costs::new(graph);
        let codes: Vec<[u8; CODES]> = evidence.odds.iter().map(|odds| odds.map(parts)).collect();
        let mut weights = Vec::new();
        for first in (0..residues.len()).step_by(BLOCK * LANES) {
            let arch = pulp::Arch::new();
            weights.push(Look { graph, residues, evidence, costs: &costs, codes: &codes, first, arch }.run(monitor)?);
        }
        Ok(Self { blocks: promising(&weights, residues.len()) })
    }

    /// Candidates that could be at any of the places, ascending.
    #[must_use]
    pub fn within(&self, places: std::ops::Range<usize>) -> Vec<usize> {
        let last = places.end.div_ceil(BLOCK).min(self.blocks.len());
        let mut all = self.blocks[(places.start / BLOCK).min(last)..last].concat();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// The candidates of every block that are neither there by chance nor surely elsewhere.
fn promising(weights: &[Vec<Lane>], places: usize) -> Vec<Vec<usize>> {
    let chance = ((places as f32).ln() + ABOVE_CHANCE) * PARTS;
    let mut blocks = vec![Vec::new(); weights.len() * LANES];
    for k in 0..weights.first().map_or(0, Vec::len) {
        let best = weights.iter().flat_map(|of| of[k]).max().unwrap_or(0);
        let least = chance.max(f32::from(best) - OUT_OF_QUESTION * PARTS);
        let all = weights.iter().flat_map(|of| of[k]).enumerate();
        all.filter(|(_, weight)| f32::from(*weight) >= least).for_each(|(block, _)| blocks[block].push(k));
    }
    blocks
}

/// Odds as parts, upwards from 1; 0 for odds of 0.
fn parts(odds: f32) -> u8 {
    if odds > 0.0 { (odds.ln() * PARTS + f32::from(EVEN)).round().clamp(1.0, 255.0) as u8 } else { 0 }
}

/// What a probability below 1 takes off a log-weight.
fn cost(probability: f32) -> u8 {
    (-probability.ln() * PARTS).round().clamp(0.0, 255.0) as u8
}

/// What the steps into and out of every candidate cost at least, in the order of its neighbours.
struct Costs {
    into: Vec<Vec<u8>>,
    onward: Vec<Vec<u8>>,
    jump: u8,
}

impl Costs {
    fn new(graph: &WalkGraph) -> Self {
        let least = |k: usize, slot: usize| cost(graph.transitions(k, slot).iter().copied().fold(0.0, f32::max));
        let all = |k: usize| (0..graph.neighbours(k).len()).map(|slot| least(k, slot)).collect();
        let onward: Vec<Vec<u8>> = (0..graph.len()).map(all).collect();
        let from = |k: usize| graph.neighbours(k).iter().zip(graph.back(k)).map(|(&y, &slot)| onward[y][slot]).collect();
        Self { into: (0..graph.len()).map(from).collect(), onward, jump: cost(JUMP) }
    }
}

/// One forward and one backward sweep over `LANES` neighbouring blocks.
struct Look<'a> {
    graph: &'a WalkGraph,
    residues: &'a Residues,
    evidence: &'a Evidence,
    costs: &'a Costs,
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
        let mut best = self.nothing();
        let (mut next, mut after) = (self.nothing(), self.nothing());
        for step in (MARGIN..MARGIN + BLOCK + MARGIN).rev() {
            monitor.check()?;
            let column = self.column(step);
            let ended = forward.get(step - MARGIN);
            let mut new = self.nothing();
            let tasks = new.par_chunks_mut(CHUNK).zip(best.par_chunks_mut(CHUNK)).enumerate();
            tasks.for_each(|(chunk, (new, best))| {
                self.arch.dispatch(|| {
                    for (i, (new, best)) in new.iter_mut().zip(best).enumerate() {
                        let k = chunk * CHUNK + i;
                        let onward = self.best_step(k, &self.costs.onward[k], &next, &after);
                        if let Some(ended) = ended {
                            *best = higher(best, &joined(&ended[k], &onward));
                        }
                        *new = emitted(&onward, &self.emission(k, &column));
                    }
                });
            });
            after = std::mem::replace(&mut next, new);
        }
        Ok(best)
    }

    /// Log-weights of the best walks that end at each candidate, for the places of the blocks.
    fn forward(&self, monitor: &Monitor) -> Result<Vec<Vec<Lane>>, CoreError> {
        let mut kept = vec![self.nothing(), self.nothing()];
        for step in 0..MARGIN + BLOCK {
            monitor.check()?;
            let column = self.column(step);
            let mut new = self.nothing();
            if let [.., two_back, old] = &kept[..] {
                new.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, new)| {
                    self.arch.dispatch(|| {
                        for (i, new) in new.iter_mut().enumerate() {
                            let k = chunk * CHUNK + i;
                            let before = self.best_step(k, &self.costs.into[k], old, two_back);
                            *new = emitted(&before, &self.emission(k, &column));
                        }
                    });
                });
            }
            kept.push(new);
            if step < MARGIN {
                kept.remove(0);
            }
        }
        kept.drain(..2);
        Ok(kept)
    }

    /// The best of the walks that come to `k` by a step or a jump, or begin there.
    #[inline(always)]
    fn best_step(&self, k: usize, costs: &[u8], stepped: &[Lane], jumped: &[Lane]) -> Lane {
        let mut best = [0; LANES];
        for (&y, &cost) in self.graph.neighbours(k).iter().zip(costs) {
            best = higher(&best, &less(&stepped[y], cost));
        }
        for &y in self.graph.jumps(k) {
            best = higher(&best, &less(&jumped[y], self.costs.jump));
        }
        best
    }

    #[inline(always)]
    fn emission(&self, k: usize, column: &Column) -> Lane {
        if let Some(place) = self.evidence.known[k] {
            return std::array::from_fn(|l| if column.place[l] == place as i64 { KNOWN } else { 0 });
        }
        let codes = &self.codes[k];
        let mut lane = column.code.map(|code| codes[usize::from(code)]);
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

    fn nothing(&self) -> Vec<Lane> {
        vec![[0; LANES]; self.graph.len()]
    }
}

/// The places that the lanes look at in one step, and their codes; where all copies of a place are known, outside.
struct Column {
    place: [i64; LANES],
    code: [u8; LANES],
}

#[inline(always)]
fn higher(a: &Lane, b: &Lane) -> Lane {
    std::array::from_fn(|l| a[l].max(b[l]))
}

#[inline(always)]
fn less(lane: &Lane, cost: u8) -> Lane {
    lane.map(|v| v.saturating_sub(cost))
}

/// Log-weight of two walks joined; none where none can end.
#[inline(always)]
fn joined(ended: &Lane, begun: &Lane) -> Lane {
    std::array::from_fn(|l| if ended[l] == 0 { 0 } else { ended[l].saturating_add(begun[l]) })
}

/// Log-weight with an emission, at least 1 part; 0 where the emission is impossible.
#[inline(always)]
fn emitted(lane: &Lane, emission: &Lane) -> Lane {
    let sum = |l: usize| lane[l].saturating_add(emission[l]).saturating_sub(EVEN).max(1);
    std::array::from_fn(|l| if emission[l] == 0 { 0 } else { sum(l) })
}
