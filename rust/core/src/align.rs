//! Which residue every candidate is: the posterior of a hidden Markov model whose walks go over candidates and
//! along the sequences at once.
//!
//! A walk that reaches candidate k at residue j multiplies its weight by the odds p_k(a(j)) / q(a(j)) of the residue's
//! type and by the probability of the step. Forward and backward sums over all walks through (k, j), divided by the
//! sum over everything that k could be, give the posterior. Steps are probabilities, so the expected weight of a walk
//! over noise stays 1, and weights are compared without any further constant.

use rayon::prelude::*;

use crate::residues::{ByCode, OUTSIDE, Residues};
use crate::walk::{JUMP, WalkGraph};
use crate::{CoreError, Monitor};

/// Matches kept per candidate.
pub const KEPT: usize = 4;
/// Windows of the sequence that are worked on in lockstep; the compiler turns them into vector instructions.
const LANES: usize = 8;
/// Most and fewest residues of a window whose matches are read, and residues before and after it over which sums build up.
const WINDOW: usize = 64;
const LEAST_WINDOW: usize = 16;
const MARGIN: usize = 36;
/// Sums stop growing here: that much evidence is certainty. Without the bound the weight of a long right walk would flow
/// over every weak link into its surroundings and drown what is known there.
const CERTAIN: f32 = 5e4;
/// Candidates per parallel task.
const CHUNK: usize = 1024;

/// Odds of a candidate at the place that it is known to be.
const KNOWN_ODDS: f32 = 10.0;

type Lane = [f32; LANES];

/// A residue that a candidate may be, and the posterior probability that it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Match {
    pub place: usize,
    pub probability: f32,
}

/// What is known before aligning.
#[derive(Debug)]
pub struct Evidence {
    /// Odds of every residue code, per candidate; 0 at `OUTSIDE`.
    pub odds: Vec<ByCode>,
    /// The place that a candidate is known to be.
    pub known: Vec<Option<usize>>,
    /// Whether all copies of a place are known, so that no other candidate can be it.
    pub full: Vec<bool>,
}

/// The most probable matches of every candidate, best first.
pub fn align(
    graph: &WalkGraph,
    residues: &Residues,
    evidence: &Evidence,
    monitor: &Monitor,
) -> Result<Vec<[Match; KEPT]>, CoreError> {
    let window = residues.len().div_ceil(LANES).clamp(LEAST_WINDOW, WINDOW);
    let strips = residues.len().div_ceil(window * LANES);
    monitor.begin(strips * 2 * (window + MARGIN));
    let mut best = vec![Best::default(); graph.len()];
    for strip in 0..strips {
        Sweep { graph, residues, evidence, monitor, window, first: strip * window * LANES }.run(&mut best)?;
    }
    Ok(best.iter().map(|b| b.posterior(residues.len())).collect())
}

/// Sums over the walks through the best places of a candidate, and over all places.
#[derive(Debug, Clone, Copy, Default)]
struct Best {
    top: [Match; KEPT],
    total: f64,
}

impl Best {
    fn add(&mut self, place: i64, weight: f32) {
        self.total += f64::from(weight);
        if weight > self.top[KEPT - 1].probability {
            let at = self.top.partition_point(|m| m.probability >= weight);
            self.top.copy_within(at..KEPT - 1, at + 1);
            self.top[at] = Match { place: place as usize, probability: weight };
        }
    }

    /// Normalises by everything the candidate could be; "nothing" counts as much as walks of weight 1 at every place.
    fn posterior(&self, places: usize) -> [Match; KEPT] {
        let all = self.total + places as f64;
        self.top.map(|m| Match { place: m.place, probability: (f64::from(m.probability) / all) as f32 })
    }
}

/// One forward and one backward sweep over `LANES` neighbouring windows.
struct Sweep<'a> {
    graph: &'a WalkGraph,
    residues: &'a Residues,
    evidence: &'a Evidence,
    monitor: &'a Monitor,
    window: usize,
    /// Place at which the first window begins.
    first: usize,
}

impl Sweep<'_> {
    fn run(&self, best: &mut [Best]) -> Result<(), CoreError> {
        let forward = self.forward()?;
        self.backward(&forward, best)
    }

    /// Sums over walks that end in each arrival, for the steps of the core of the window.
    fn forward(&self) -> Result<Vec<Vec<Lane>>, CoreError> {
        let mut kept: Vec<Vec<Lane>> = vec![self.no_arrivals()];
        let mut totals = [vec![[0.0; LANES]; self.graph.len()], vec![[0.0; LANES]; self.graph.len()]];
        for step in 0..MARGIN + self.window {
            self.monitor.advance(1)?;
            let column = self.column(step);
            let mut new = self.no_arrivals();
            if let Some(old) = kept.last() {
                let two_back = &totals[step % 2];
                self.chunks(&mut new).into_par_iter().for_each(|(first, part)| {
                    self.each_candidate(first, part, |k, sums| self.arrive(k, &column, old, two_back, sums));
                });
            }
            totals[step % 2] = self.sum_by_candidate(&new);
            if step <= MARGIN {
                kept.clear();
            }
            kept.push(new);
        }
        Ok(kept)
    }

    /// Reads the matches of the core while sums over walks that begin in each arrival go backward.
    fn backward(&self, forward: &[Vec<Lane>], best: &mut [Best]) -> Result<(), CoreError> {
        let mut next = self.no_arrivals();
        let mut after = self.no_arrivals();
        for step in (MARGIN..MARGIN + self.window + MARGIN).rev() {
            self.monitor.advance(1)?;
            let column = self.column(step);
            let mut new = self.no_arrivals();
            let tasks = self.chunks(&mut new).into_par_iter().zip(best.par_chunks_mut(CHUNK));
            tasks.for_each(|((first, part), best)| {
                self.each_candidate(first, part, |k, sums| {
                    self.leave(k, &next, &after, sums);
                    if let Some(ended) = forward.get(step - MARGIN) {
                        self.read(k, &column, ended, sums, &mut best[k - first]);
                    }
                    let emission = self.emission(k, &column);
                    sums.iter_mut().for_each(|s| *s = capped(product(s, &emission)));
                });
            });
            after = std::mem::replace(&mut next, new);
        }
        Ok(())
    }

    /// Forward sums of the arrivals at `k`.
    fn arrive(&self, k: usize, column: &Column, old: &[Lane], two_back: &[Lane], sums: &mut [Lane]) {
        let emission = self.emission(k, column);
        let mut start = [1.0; LANES];
        for &from in self.graph.jumps(k) {
            add_scaled(&mut start, JUMP, &two_back[from]);
        }
        sums[0] = capped(product(&start, &emission));
        let sources = self.graph.neighbours(k).iter().zip(self.graph.back(k));
        for (sum, (&from, &slot)) in sums[1..].iter_mut().zip(sources) {
            let mut total = [0.0; LANES];
            let at = self.graph.arrival(from);
            for (probability, earlier) in self.graph.transitions(from, slot).iter().zip(&old[at..]) {
                add_scaled(&mut total, *probability, earlier);
            }
            *sum = capped(product(&total, &emission));
        }
    }

    /// Backward sums of the arrivals at `k`, without the emission at `k` itself.
    fn leave(&self, k: usize, next: &[Lane], after: &[Lane], sums: &mut [Lane]) {
        let mut end = [1.0; LANES];
        for &to in self.graph.jumps(k) {
            add_scaled(&mut end, JUMP, &after[self.graph.arrival(to)]);
        }
        sums.fill(end);
        let targets = self.graph.neighbours(k).iter().zip(self.graph.back(k)).enumerate();
        for (slot, (&to, &back)) in targets {
            let onward = &next[self.graph.arrival(to) + 1 + back];
            for (sum, probability) in sums.iter_mut().zip(self.graph.transitions(k, slot)) {
                add_scaled(sum, *probability, onward);
            }
        }
    }

    /// Adds the sums over walks through `k` at the places of `column` to what is known of `k`.
    fn read(&self, k: usize, column: &Column, ended: &[Lane], begun: &[Lane], best: &mut Best) {
        let mut through = [0.0; LANES];
        for (f, b) in ended[self.graph.arrival(k)..].iter().zip(begun) {
            through.iter_mut().zip(product(f, b)).for_each(|(t, w)| *t += w);
        }
        for (l, weight) in through.into_iter().enumerate() {
            if column.code[l] != OUTSIDE {
                best.add(column.place[l], weight);
            }
        }
    }

    fn emission(&self, k: usize, column: &Column) -> Lane {
        let odds = &self.evidence.odds[k];
        match self.evidence.known[k] {
            Some(place) => std::array::from_fn(|l| f32::from(column.place[l] == place as i64) * KNOWN_ODDS),
            None => std::array::from_fn(|l| odds[usize::from(column.code[l])] * column.open[l]),
        }
    }

    /// What the lanes are at `step`; the core of a window begins at step `MARGIN`.
    fn column(&self, step: usize) -> Column {
        let place: [i64; LANES] = std::array::from_fn(|l| (self.first + l * self.window + step) as i64 - MARGIN as i64);
        let full = |p: i64| usize::try_from(p).ok().and_then(|p| self.evidence.full.get(p)).is_some_and(|f| *f);
        Column { place, code: place.map(|p| self.residues.code(p)), open: place.map(|p| f32::from(!full(p))) }
    }

    fn sum_by_candidate(&self, arrivals: &[Lane]) -> Vec<Lane> {
        let total = |k: usize| {
            let range = self.graph.arrival(k)..self.graph.arrival(k + 1);
            arrivals[range].iter().fold([0.0; LANES], |mut sum, a| {
                add_scaled(&mut sum, 1.0, a);
                sum
            })
        };
        (0..self.graph.len()).into_par_iter().with_min_len(CHUNK).map(total).collect()
    }

    fn no_arrivals(&self) -> Vec<Lane> {
        vec![[0.0; LANES]; self.graph.arrival(self.graph.len())]
    }

    /// The arrivals in parts of `CHUNK` candidates, each with its first candidate.
    fn chunks<'b>(&self, mut arrivals: &'b mut [Lane]) -> Vec<(usize, &'b mut [Lane])> {
        let mut parts = Vec::new();
        for first in (0..self.graph.len()).step_by(CHUNK) {
            let end = (first + CHUNK).min(self.graph.len());
            let (part, rest) = arrivals.split_at_mut(self.graph.arrival(end) - self.graph.arrival(first));
            parts.push((first, part));
            arrivals = rest;
        }
        parts
    }

    /// Calls `work` for each candidate from `first` on with its arrivals, as far as `part` holds them.
    fn each_candidate(&self, first: usize, mut part: &mut [Lane], mut work: impl FnMut(usize, &mut [Lane])) {
        let mut k = first;
        while !part.is_empty() {
            let (own, rest) = part.split_at_mut(self.graph.neighbours(k).len() + 1);
            work(k, own);
            part = rest;
            k += 1;
        }
    }
}

/// The places that the lanes look at in one step.
struct Column {
    place: [i64; LANES],
    code: [u8; LANES],
    /// 0 where all copies of the place are known, else 1.
    open: Lane,
}

fn add_scaled(sum: &mut Lane, factor: f32, lane: &Lane) {
    sum.iter_mut().zip(lane).for_each(|(s, v)| *s += factor * v);
}

fn product(a: &Lane, b: &Lane) -> Lane {
    std::array::from_fn(|l| a[l] * b[l])
}

fn capped(lane: Lane) -> Lane {
    lane.map(|v| v.min(CERTAIN))
}
