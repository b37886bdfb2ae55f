//! Long chains of candidates without sequences: disjoint paths over the most probable steps.

use crate::bends::Bends;
use crate::cover::{Step, cover};
use crate::sparse::SparseRows;
use crate::{CoreError, Monitor, Point};

/// A run of candidates that follow each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Candidate of every residue; None where a step passes over a missing one.
    pub candidates: Vec<Option<usize>>,
    /// Mean probability of the steps from and to each residue.
    pub probability: Vec<f32>,
    /// Log-odds that the chain runs this way, not the other way round; 0 where nothing tells.
    pub forward: f32,
}

/// Which paths are kept.
#[derive(Debug, Clone, Copy)]
pub struct Tracing {
    /// Lowest probability of a step.
    pub least_step: f32,
    /// Fewest candidates of a path.
    pub least_length: usize,
}

/// Disjoint paths, the longest first: the most probable steps are taken first, as long as no candidate has more than
/// two and no ring closes. They run as most of their bends do.
pub fn trace(
    positions: &[Point],
    likelihood: &SparseRows,
    bends: &Bends,
    tracing: &Tracing,
    monitor: &Monitor,
) -> Result<Vec<Path>, CoreError> {
    let mut steps = cover(positions, likelihood, bends, monitor)?;
    steps.retain(|s| s.probability >= tracing.least_step);
    steps.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    let taken = without_rings(positions.len(), &steps);
    let mut paths = strung(&taken);
    paths.retain(|p| p.candidates.iter().flatten().count() >= tracing.least_length);
    paths.sort_by_key(|p| std::cmp::Reverse(p.candidates.len()));
    for path in &mut paths {
        path.turn(bends);
    }
    Ok(paths)
}

impl Path {
    /// Turn the path to run as most of its bends do.
    fn turn(&mut self, bends: &Bends) {
        let told = self.candidates.windows(3).filter_map(|bend| match *bend {
            [Some(before), Some(middle), Some(after)] => Some(bends.forward(before, middle, after)),
            _ => None,
        });
        self.forward = told.sum();
        if self.forward < 0.0 {
            self.candidates.reverse();
            self.probability.reverse();
            self.forward = -self.forward;
        }
    }
}

/// The steps of every candidate, at most two, first come first served.
fn without_rings(count: usize, steps: &[Step]) -> Vec<Vec<Step>> {
    let mut taken: Vec<Vec<Step>> = vec![Vec::new(); count];
    let mut group: Vec<usize> = (0..count).collect();
    for step in steps {
        let (a, b) = (root(&mut group, step.from), root(&mut group, step.to));
        if a != b && taken[step.from].len() < 2 && taken[step.to].len() < 2 {
            group[a.max(b)] = a.min(b);
            taken[step.from].push(*step);
            taken[step.to].push(Step { from: step.to, to: step.from, ..*step });
        }
    }
    taken
}

/// The smallest candidate known to be in the group of `k`.
fn root(group: &mut [usize], mut k: usize) -> usize {
    while group[k] != k {
        group[k] = group[group[k]];
        k = group[k];
    }
    k
}

/// The paths that the steps make, each from its end with the smaller candidate.
fn strung(taken: &[Vec<Step>]) -> Vec<Path> {
    let mut seen = vec![false; taken.len()];
    let mut paths = Vec::new();
    for k in 0..taken.len() {
        if taken[k].len() == 1 && !seen[k] {
            paths.push(string_from(k, taken, &mut seen));
        }
    }
    paths
}

fn string_from(end: usize, taken: &[Vec<Step>], seen: &mut [bool]) -> Path {
    let mut path = Path { candidates: Vec::new(), probability: Vec::new(), forward: 0.0 };
    let mut at = Some(end);
    while let Some(k) = at {
        seen[k] = true;
        path.candidates.push(Some(k));
        path.probability.push(taken[k].iter().map(|s| s.probability).sum::<f32>() / taken[k].len().max(1) as f32);
        let onward = taken[k].iter().find(|s| !seen[s.to]);
        if let Some(jump) = onward.filter(|s| s.jump) {
            path.candidates.push(None);
            path.probability.push(jump.probability);
        }
        at = onward.map(|s| s.to);
    }
    path
}
