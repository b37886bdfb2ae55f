//! Seeds of placements: traces of linked candidates that look like windows of a template (eq. 27).
//!
//! Distances within a trace and within a window are compared first; only the windows that fit a trace best, types
//! included, are superposed on it.

use rayon::prelude::*;

use crate::cells::squared_distance;
use crate::geometry::Motion;
use crate::placement::{Scene, Template};
use crate::walk::WalkGraph;
use crate::{CoreError, Monitor, Point};

/// Residues of a trace, as in the paper.
pub const LENGTH: usize = 7;
/// Best links that a trace may follow from each candidate.
const BRANCHES: usize = 2;
/// Pairs of residues whose distances are compared, the one that differs most between folds first, and the most
/// Angstrom that they may differ.
const PAIRS: [(usize, usize); 8] = [(0, 6), (0, 3), (3, 6), (1, 4), (2, 5), (0, 4), (2, 6), (1, 5)];
const TOLERANCE: f32 = 2.2;
/// Squared Angstrom of difference, summed over the pairs, that cost a unit of log-odds.
const LOOSENESS: f32 = 2.0;
/// Windows superposed per trace, and the largest RMSD in Angstrom of one that is a seed.
const WINDOWS: usize = 24;
const LARGEST_RMSD: f64 = 1.6;
/// Longest distance in Angstrom of consecutive residues of a template.
const LONGEST_STEP: f64 = 6.0;

type Signature = [f32; PAIRS.len()];

/// A trace on a window of a template.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    pub template: usize,
    /// First residue of the window in the template.
    pub window: usize,
    /// Takes the template onto the trace.
    pub motion: Motion,
    /// Log-odds of the types of the trace, less what the distances differ.
    pub score: f32,
}

/// The seeds of all traces, in the order of the traces.
pub fn seeds(scene: &Scene<'_>, templates: &[Template], monitor: &Monitor) -> Result<Vec<Seed>, CoreError> {
    let windows = windows(scene, templates);
    monitor.begin(scene.positions.len());
    let from = |start: usize| {
        monitor.advance(1)?;
        let traces = traces_from(scene.graph, start);
        Ok(traces.iter().flat_map(|trace| matching(scene, templates, &windows, trace)).collect())
    };
    let found: Result<Vec<Vec<Seed>>, CoreError> = (0..scene.positions.len()).into_par_iter().map(from).collect();
    Ok(found?.into_iter().flatten().collect())
}

/// `LENGTH` consecutive residues of a template.
struct Window {
    template: usize,
    first: usize,
    codes: [usize; LENGTH],
    signature: Signature,
}

/// The windows of all templates, by their first distance.
fn windows(scene: &Scene<'_>, templates: &[Template]) -> Vec<Window> {
    let mut windows = Vec::new();
    for (template, t) in templates.iter().enumerate() {
        for first in 0..(t.points.len() + 1).saturating_sub(LENGTH) {
            if t.is_continuous(first, LENGTH, LONGEST_STEP) {
                let codes = std::array::from_fn(|i| usize::from(scene.residues.code(t.places[first + i] as i64)));
                let signature = signature(|i| t.points[first + i]);
                windows.push(Window { template, first, codes, signature });
            }
        }
    }
    windows.sort_by(|a, b| a.signature[0].total_cmp(&b.signature[0]));
    windows
}

fn signature(point: impl Fn(usize) -> Point) -> Signature {
    PAIRS.map(|(i, j)| squared_distance(&point(i), &point(j)).sqrt() as f32)
}

/// The windows that fit `trace` best.
fn matching(scene: &Scene<'_>, templates: &[Template], windows: &[Window], trace: &[usize; LENGTH]) -> Vec<Seed> {
    let points = trace.map(|k| scene.positions[k]);
    let own = signature(|i| points[i]);
    let begin = windows.partition_point(|w| w.signature[0] < own[0] - TOLERANCE);
    let near = windows[begin..].iter().take_while(|w| w.signature[0] <= own[0] + TOLERANCE);
    let mut fitting: Vec<(f32, &Window)> = near
        .filter(|w| w.signature.iter().zip(&own).all(|(a, b)| (a - b).abs() < TOLERANCE))
        .map(|w| (scene.types(trace, &w.codes) - difference(&w.signature, &own) / LOOSENESS, w))
        .collect();
    fitting.sort_by(|a, b| b.0.total_cmp(&a.0));
    fitting.truncate(WINDOWS);
    let seed = |(score, w): (f32, &Window)| {
        let mobile = &templates[w.template].points[w.first..w.first + LENGTH];
        let motion = Motion::superpose(mobile, &points)?;
        let fits = motion.rmsd(mobile, &points) < LARGEST_RMSD;
        fits.then_some(Seed { template: w.template, window: w.first, motion, score })
    };
    fitting.into_iter().filter_map(seed).collect()
}

fn difference(a: &Signature, b: &Signature) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// The walks of `LENGTH` candidates from `start` along the best links.
fn traces_from(graph: &WalkGraph, start: usize) -> Vec<[usize; LENGTH]> {
    let mut tracer = Tracer { graph, path: [start; LENGTH], traces: Vec::new() };
    tracer.walk(1, 0);
    tracer.traces
}

struct Tracer<'a> {
    graph: &'a WalkGraph,
    path: [usize; LENGTH],
    traces: Vec<[usize; LENGTH]>,
}

impl Tracer<'_> {
    /// Goes on from the last of `length` candidates, which was reached by `arrival`.
    fn walk(&mut self, length: usize, arrival: usize) {
        if length == LENGTH {
            self.traces.push(self.path);
            return;
        }
        let k = self.path[length - 1];
        let around = self.graph.neighbours(k);
        let mut steps: Vec<(f32, usize)> =
            (0..around.len()).map(|slot| (self.graph.transitions(k, slot)[arrival], slot)).collect();
        steps.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, slot) in steps.into_iter().take(BRANCHES).filter(|s| s.0 > 0.0) {
            if !self.path[..length].contains(&around[slot]) {
                self.path[length] = around[slot];
                self.walk(length + 1, 1 + self.graph.back(k)[slot]);
            }
        }
    }
}
