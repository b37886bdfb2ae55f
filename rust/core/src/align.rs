//! Which residue every candidate is: the posterior of a hidden Markov model whose walks go over candidates and
//! along the sequences at once.
//!
//! A walk that reaches candidate k at residue j multiplies its weight by the odds `p_k(a(j)) / q(a(j))` of the residue's
//! type and by the probability of the step. Forward and backward sums over all walks through (k, j), divided by the
//! sum over everything that k could be, give the posterior. Steps are probabilities, so the expected weight of a walk
//! over noise stays 1, and weights are compared without any further constant.

// What is to run on wide vectors must be inlined into `wide`.
#![allow(clippy::inline_always)]

use rayon::prelude::*;

use crate::residues::{ByCode, Residues};
use crate::screen::Screen;
use crate::walk::{JUMP, WalkGraph};
use crate::{CoreError, Monitor};

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
/// The emission of a candidate that is known to be elsewhere: no walk goes through it, and none need be summed.
const NOWHERE: Lane = [0.0; LANES];
/// Arrays of arrivals that are free, so that not every step asks the system for new ones.
type Spare = Vec<Vec<Lane>>;

/// The residue that a candidate most probably is, and the posterior probability that it is.
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
    /// Places that a candidate may be for other reasons than its type, and their odds.
    pub hints: Vec<Vec<Hint>>,
}

/// A place and the odds that a candidate is there.
pub type Hint = (usize, f32);

/// The most probable match of every candidate, at the places where `screen` has it, or at all places.
///
/// Sums are exact up to two bounds: they stop growing at `CERTAIN`, and reach `MARGIN` residues beyond each window. Of
/// what `screen` leaves out, only the best walks count.
pub fn align(
    graph: &WalkGraph,
    residues: &Residues,
    evidence: &Evidence,
    screen: Option<&Screen>,
    monitor: &Monitor,
) -> Result<Vec<Match>, CoreError> {
    let mut best = vec![Best::default(); graph.len()];
    match screen {
        Some(screen) => sweep_screened(graph, residues, evidence, screen, monitor, &mut best)?,
        None => sweep_all(graph, residues, evidence, monitor, &mut best)?,
    }
    let left_out = |k: usize| screen.map_or(0.0, |screen| screen.left_out(k));
    Ok(best.iter().enumerate().map(|(k, b)| b.posterior(residues.len(), left_out(k))).collect())
}

/// Adds the walks of all candidates through all places.
fn sweep_all(
    graph: &WalkGraph,
    residues: &Residues,
    evidence: &Evidence,
    monitor: &Monitor,
    best: &mut [Best],
) -> Result<(), CoreError> {
    let window = residues.len().div_ceil(LANES).clamp(LEAST_WINDOW, WINDOW);
    let strips = residues.len().div_ceil(window * LANES);
    monitor.begin(strips * 2 * (window + MARGIN));
    let mut spare = Vec::new();
    for strip in 0..strips {
        Sweep { graph, residues, evidence, monitor, window, first: strip * window * LANES, arch: pulp::Arch::new() }
            .run(best, &mut spare)?;
    }
    Ok(())
}

/// The same in short windows, each with only the candidates that could be there.
fn sweep_screened(
    graph: &WalkGraph,
    residues: &Residues,
    evidence: &Evidence,
    screen: &Screen,
    monitor: &Monitor,
    best: &mut [Best],
) -> Result<(), CoreError> {
    let window = LEAST_WINDOW;
    monitor.begin(residues.len().div_ceil(window * LANES) * 2 * (window + MARGIN));
    let mut spare = Vec::new();
    for first in (0..residues.len()).step_by(window * LANES) {
        let reach = first.saturating_sub(MARGIN)..first + window * LANES + MARGIN;
        let mut members = screen.within(&reach);
        members.retain(|&k| evidence.known[k].is_none_or(|place| reach.contains(&place)));
        let mut own: Vec<Best> = members.iter().map(|&k| best[k]).collect();
        let (graph, evidence) = (&graph.among(&members), &evidence.among(&members));
        Sweep { graph, residues, evidence, monitor, window, first, arch: pulp::Arch::new() }
            .run(&mut own, &mut spare)?;
        members.iter().zip(own).for_each(|(&k, own)| best[k] = own);
    }
    Ok(())
}

impl Evidence {
    /// What is known of `members`, which become 0, 1, 2 ...
    fn among(&self, members: &[usize]) -> Self {
        Self {
            odds: members.iter().map(|&k| self.odds[k]).collect(),
            known: members.iter().map(|&k| self.known[k]).collect(),
            full: self.full.clone(),
            hints: members.iter().map(|&k| self.hints[k].clone()).collect(),
        }
    }
}

/// Sum over the walks through the best place of a candidate, and over those through all places.
#[derive(Debug, Clone, Copy, Default)]
struct Best {
    place: usize,
    weight: f32,
    total: f64,
}

impl Best {
    /// Adds the walks through further places; the first of equally good places stays.
    #[inline(always)]
    fn add(&mut self, places: &[i64; LANES], weights: &Lane) {
        let [a, b, c, d, e, f, g, h] = *weights;
        self.total += f64::from(((a + b) + (c + d)) + ((e + f) + (g + h)));
        if weights.iter().any(|w| *w > self.weight) {
            for (place, weight) in places.iter().zip(weights) {
                if *weight > self.weight {
                    (self.place, self.weight) = (*place as usize, *weight);
                }
            }
        }
    }

    /// Normalises by everything the candidate could be, also where it was not looked; "nothing" counts as much as walks of
    /// weight 1 at every place.
    fn posterior(&self, places: usize, left_out: f64) -> Match {
        let all = self.total + left_out + places as f64;
        Match { place: self.place, probability: (f64::from(self.weight) / all) as f32 }
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
    arch: pulp::Arch,
}

impl Sweep<'_> {
    fn run(&self, best: &mut [Best], spare: &mut Spare) -> Result<(), CoreError> {
        let forward = self.forward(spare)?;
        self.backward(&forward, best, spare)?;
        spare.extend(forward);
        Ok(())
    }

    /// Sums over walks that end in each arrival, for the steps of the core of the window.
    fn forward(&self, spare: &mut Spare) -> Result<Vec<Vec<Lane>>, CoreError> {
        let mut kept: Vec<Vec<Lane>> = vec![self.no_arrivals()];
        let mut totals = [vec![[0.0; LANES]; self.graph.len()], vec![[0.0; LANES]; self.graph.len()]];
        for step in 0..MARGIN + self.window {
            self.monitor.advance(1)?;
            let column = self.column(step);
            let mut new = self.arrivals(spare);
            if let Some(old) = kept.last() {
                let two_back = &totals[step % 2];
                self.graph.chunks(&mut new, CHUNK).into_par_iter().for_each(|(first, part)| {
                    self.wide(|| {
                        for (k, sums) in self.graph.by_candidate(first, part) {
                            self.arrive(k, &column, old, two_back, sums);
                        }
                    });
                });
            }
            totals[step % 2] = self.sum_by_candidate(&new);
            if step <= MARGIN {
                spare.append(&mut kept);
            }
            kept.push(new);
        }
        Ok(kept)
    }

    /// Reads the matches of the core while sums over walks that begin in each arrival go backward.
    fn backward(&self, forward: &[Vec<Lane>], best: &mut [Best], spare: &mut Spare) -> Result<(), CoreError> {
        let mut next = self.no_arrivals();
        let mut after = self.no_arrivals();
        for step in (MARGIN..MARGIN + self.window + MARGIN).rev() {
            self.monitor.advance(1)?;
            let column = self.column(step);
            let mut new = self.arrivals(spare);
            let tasks = self.graph.chunks(&mut new, CHUNK).into_par_iter().zip(best.par_chunks_mut(CHUNK));
            tasks.for_each(|((first, part), best)| {
                let ended = forward.get(step - MARGIN);
                self.wide(|| {
                    for (k, sums) in self.graph.by_candidate(first, part) {
                        let emission = self.emission(k, &column);
                        if emission == NOWHERE {
                            sums.fill(NOWHERE);
                            continue;
                        }
                        self.leave(k, &next, &after, sums);
                        if let Some(ended) = ended {
                            self.read(k, &column, ended, sums, &mut best[k - first]);
                        }
                        emit(sums, &emission);
                    }
                });
            });
            spare.push(std::mem::replace(&mut after, std::mem::replace(&mut next, new)));
        }
        Ok(())
    }

    /// Forward sums of the arrivals at `k`.
    #[inline(always)]
    fn arrive(&self, k: usize, column: &Column, old: &[Lane], two_back: &[Lane], sums: &mut [Lane]) {
        let emission = self.emission(k, column);
        if emission == NOWHERE {
            sums.fill(NOWHERE);
            return;
        }
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
    #[inline(always)]
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
    #[inline(always)]
    fn read(&self, k: usize, column: &Column, ended: &[Lane], begun: &[Lane], best: &mut Best) {
        let mut through = [0.0; LANES];
        for (f, b) in ended[self.graph.arrival(k)..].iter().zip(begun) {
            add_scaled(&mut through, 1.0, &product(f, b));
        }
        // Outside of the sequences emissions, and so these sums, are 0.
        best.add(&column.place, &through);
    }

    #[inline(always)]
    fn emission(&self, k: usize, column: &Column) -> Lane {
        let odds = &self.evidence.odds[k];
        if let Some(place) = self.evidence.known[k] {
            return std::array::from_fn(|l| f32::from(column.place[l] == place as i64) * KNOWN_ODDS);
        }
        let types = std::array::from_fn(|l| odds[usize::from(column.code[l])] * column.open[l]);
        self.evidence.hints[k].iter().fold(types, |lane, hint| hinted(lane, column, *hint))
    }

    /// Runs `work`, with all that is inlined into it, with the widest vector instructions of this processor. They compute
    /// the same numbers as the narrow ones.
    fn wide<R>(&self, work: impl FnOnce() -> R) -> R {
        self.arch.dispatch(work)
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

    /// Arrivals to be written over.
    fn arrivals(&self, spare: &mut Spare) -> Vec<Lane> {
        let mut arrivals = spare.pop().unwrap_or_default();
        arrivals.resize(self.graph.arrival(self.graph.len()), [0.0; LANES]);
        arrivals
    }

    fn no_arrivals(&self) -> Vec<Lane> {
        vec![[0.0; LANES]; self.graph.arrival(self.graph.len())]
    }
}

/// The places that the lanes look at in one step.
struct Column {
    place: [i64; LANES],
    code: [u8; LANES],
    /// 0 where all copies of the place are known, else 1.
    open: Lane,
}

/// Multiplies sums by an emission.
#[inline(always)]
fn emit(sums: &mut [Lane], emission: &Lane) {
    for sum in sums {
        *sum = capped(product(sum, emission));
    }
}

#[inline(always)]
fn add_scaled(sum: &mut Lane, factor: f32, lane: &Lane) {
    *sum = std::array::from_fn(|l| sum[l] + factor * lane[l]);
}

#[inline(always)]
fn product(a: &Lane, b: &Lane) -> Lane {
    std::array::from_fn(|l| a[l] * b[l])
}

#[inline(always)]
fn hinted(lane: Lane, column: &Column, (place, odds): Hint) -> Lane {
    std::array::from_fn(|l| if column.place[l] == place as i64 { lane[l] * odds } else { lane[l] })
}

/// No more than `CERTAIN`; unlike `min`, which heeds NaN, this is one vector instruction.
#[inline(always)]
fn capped(lane: Lane) -> Lane {
    lane.map(|v| if v < CERTAIN { v } else { CERTAIN })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Point;
    use crate::sparse::SparseRows;

    /// Places that the walks of the tests may reach.
    const LENGTH: usize = 4;

    /// Adds the weight of `path`, which came to its end by `arrival`, and of every walk that goes on from it.
    fn add_walks(
        problem: (&WalkGraph, &Evidence),
        path: &mut Vec<(usize, usize)>,
        arrival: usize,
        weight: f64,
        sums: &mut [[f64; LENGTH]],
    ) {
        let (graph, evidence) = problem;
        let Some(&(k, place)) = path.last() else { return };
        let weight = weight * f64::from(evidence.odds[k][place]);
        for &(k, place) in path.iter() {
            sums[k][place] += weight;
        }
        let mut onward = |to: usize, reach: usize, arrival: usize, probability: f32| {
            if place + reach < LENGTH {
                path.push((to, place + reach));
                add_walks(problem, path, arrival, weight * f64::from(probability), sums);
                path.pop();
            }
        };
        for (slot, (&to, &back)) in graph.neighbours(k).iter().zip(graph.back(k)).enumerate() {
            onward(to, 1, back + 1, graph.transitions(k, slot)[arrival]);
        }
        graph.jumps(k).iter().for_each(|&to| onward(to, 2, 0, JUMP));
    }

    /// A closed ring of candidates on a square of edge 3.8, so that neighbours link and opposite corners jump.
    fn square(likelihood: &[f32; 4]) -> WalkGraph {
        let points: [Point; 4] = [[0.0, 0.0, 0.0], [3.8, 0.0, 0.0], [3.8, 3.8, 0.0], [0.0, 3.8, 0.0]];
        let [a, b, c, d] = *likelihood;
        let rows = [vec![(1, a), (3, d)], vec![(0, a), (2, b)], vec![(1, b), (3, c)], vec![(0, d), (2, c)]];
        WalkGraph::new(&points, &SparseRows::from_rows(&rows)).unwrap()
    }

    proptest! {
        /// Residue j of the sequence has type j, so that the odds of type and place are one.
        #[test]
        fn sums_are_over_all_walks(
            likelihood in prop::array::uniform4(0.85..0.9_f32),
            odds in prop::array::uniform4(prop::array::uniform4(0.1..4.0_f32)),
        ) {
            let graph = square(&likelihood);
            let residues = Residues::new(&[vec![0, 1, 2, 3]], &[1]).unwrap();
            let by_code = odds.map(|o| std::array::from_fn(|code| o.get(code).copied().unwrap_or(0.0)));
            let evidence = Evidence {
                odds: by_code.to_vec(),
                known: vec![None; 4],
                full: vec![false; residues.len()],
                hints: vec![Vec::new(); 4],
            };
            let mut sums = [[0.0; LENGTH]; 4];
            for k in 0..4 {
                (0..LENGTH).for_each(|place| add_walks((&graph, &evidence), &mut vec![(k, place)], 0, 1.0, &mut sums));
            }
            for (found, sums) in align(&graph, &residues, &evidence, None, &Monitor::default()).unwrap().iter().zip(sums) {
                let all = sums.iter().sum::<f64>() + residues.len() as f64;
                let highest = sums.iter().copied().fold(0.0, f64::max);
                prop_assert!((f64::from(found.probability) - highest / all).abs() < 1e-5);
                prop_assert!((sums[found.place] - highest) / all < 1e-5);
            }
        }
    }

    #[test]
    fn what_is_known_stays() {
        let graph = square(&[0.9; 4]);
        let residues = Residues::new(&[vec![0, 1, 2, 3]], &[1]).unwrap();
        let even = std::array::from_fn(|code| f32::from(code < 20));
        let known = vec![None, Some(2), None, None];
        let full = (0..residues.len()).map(|place| place == 2).collect();
        let evidence = Evidence { odds: vec![even; 4], known, full, hints: vec![Vec::new(); 4] };
        let matches = align(&graph, &residues, &evidence, None, &Monitor::default()).unwrap();
        assert_eq!(matches[1].place, 2);
        assert!(matches.iter().enumerate().all(|(k, m)| k == 1 || m.place != 2));
    }

    #[test]
    fn hints_count_like_types() {
        let graph = square(&[0.9; 4]);
        let residues = Residues::new(&[vec![0, 1, 2, 3]], &[1]).unwrap();
        let even = std::array::from_fn(|code| f32::from(code < 20));
        let evidence = |odds: f32, hints: Vec<Hint>| {
            let mut by_code = vec![even; 4];
            by_code[1][2] = odds;
            let hints = vec![vec![], hints, vec![], vec![]];
            Evidence { odds: by_code, known: vec![None; 4], full: vec![false; residues.len()], hints }
        };
        let typed = align(&graph, &residues, &evidence(8.0, vec![]), None, &Monitor::default()).unwrap();
        let hinted = align(&graph, &residues, &evidence(1.0, vec![(2, 8.0)]), None, &Monitor::default()).unwrap();
        assert_eq!(typed, hinted);
        assert_eq!(hinted[1].place, 2);
    }

    #[test]
    fn a_stop_is_heard() {
        let monitor = Monitor::default();
        monitor.request_stop();
        let residues = Residues::new(&[vec![0]], &[1]).unwrap();
        let evidence = Evidence {
            odds: vec![[1.0; crate::residues::CODES]; 4],
            known: vec![None; 4],
            full: vec![false],
            hints: vec![],
        };
        assert_eq!(align(&square(&[0.9; 4]), &residues, &evidence, None, &monitor), Err(CoreError::Interrupted));
    }
}
