//! Walking along the main chain where there are no candidates, in steps of one Calpha distance.
//!
//! Steps go in directions all around; those that lie best on Calpha and main-chain probability, and bend as a chain
//! does, go on.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::cells::{Cells, squared_distance};
use crate::vectors::{scaled, sum};
use crate::volume::Volume;
use crate::walk::bend_odds;
use crate::{CoreError, Monitor, Point};

/// Distance of consecutive Calphas in Angstrom.
pub(crate) const STEP: f64 = 3.8;
/// Directions of a step.
const DIRECTIONS: usize = 96;
/// Nearest two Calphas of different residues can be, in Angstrom.
const CLASH: f64 = 3.2;
/// Probabilities below these tell nothing more.
const LEAST_CALPHA: f32 = 0.02;
const LEAST_MAIN_CHAIN: f32 = 0.05;
/// Times as many of the best steps as are kept that are sorted at once.
const LOOKED_AT: usize = 6;
/// Bends with lower odds are not taken.
const LEAST_BEND: f32 = 0.1;
/// Where the main chain is read on the way of a step.
const READ_AT: [f64; 3] = [0.25, 0.5, 0.75];
/// Angstrom from where a symmetric chain has the residue that cost a unit of log-odds, and the most that any cost.
const SYMMETRY_WIDTH: f64 = 1.5;
const LEAST_SYMMETRY: f64 = -4.0;

/// A chain in grid coordinates.
#[derive(Debug, Clone)]
pub struct Strand {
    /// Position of every residue that is placed.
    pub points: Vec<Option<Point>>,
    /// Where a symmetric chain has the residue.
    pub expected: Vec<Option<Point>>,
}

/// Consecutive residues placed on the main chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    pub chain: usize,
    /// First of the residues.
    pub first: usize,
    pub points: Vec<Point>,
    /// Mean main-chain probability on the way.
    pub support: f32,
}

/// What `search` finds for every task; of stretches that collide the shorter one stays.
pub(crate) fn search_all<T: Sync>(
    tasks: &[T],
    monitor: &Monitor,
    search: impl Fn(&T) -> Option<Stretch> + Sync,
) -> Result<Vec<Stretch>, CoreError> {
    monitor.begin(tasks.len());
    let run = |task: &T| {
        monitor.advance(1)?;
        Ok(search(task))
    };
    let found: Result<Vec<Option<Stretch>>, CoreError> = tasks.par_iter().map(run).collect();
    Ok(without_clashes(found?.into_iter().flatten().collect()))
}

fn without_clashes(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_by_key(|s| (s.points.len(), s.chain, s.first));
    let mut kept: Vec<Stretch> = Vec::new();
    for stretch in stretches {
        let clashes = |other: &Stretch| other.points.iter().any(|p| stretch.points.iter().any(|q| near(p, q)));
        if !kept.iter().any(clashes) {
            kept.push(stretch);
        }
    }
    kept
}

/// Whether two Calphas of different residues would be too near.
pub(crate) fn near(a: &Point, b: &Point) -> bool {
    squared_distance(a, b) < CLASH * CLASH
}

/// A way that has come as far as one point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub point: Point,
    pub parent: Option<usize>,
    pub score: f64,
}

impl Node {
    pub fn start(point: Point) -> Self {
        Self { point, parent: None, score: 0.0 }
    }
}

/// Points on the way to node `i`, without the start.
pub(crate) fn way(nodes: &[Node], i: usize) -> Vec<Point> {
    let mut points: Vec<Point> =
        std::iter::successors(Some(nodes[i]), |n| n.parent.map(|p| nodes[p])).map(|n| n.point).collect();
    points.pop();
    points.reverse();
    points
}

/// The maps that are walked on, and what stands in the way.
pub(crate) struct Walker<'a> {
    ca_prob: &'a Volume<'a>,
    bb_prob: &'a Volume<'a>,
    placed: Vec<Point>,
    cells: Cells,
    directions: Vec<Point>,
}

impl<'a> Walker<'a> {
    pub fn new(chains: &[Strand], ca_prob: &'a Volume<'a>, bb_prob: &'a Volume<'a>) -> Result<Self, CoreError> {
        let placed: Vec<Point> = chains.iter().flat_map(|c| c.points.iter().flatten().copied()).collect();
        let cells = Cells::new(&placed, CLASH)?;
        Ok(Self { ca_prob, bb_prob, placed, cells, directions: directions() })
    }

    /// All steps from node `parent` that bend as a chain does and end where `allowed`.
    ///
    /// `earlier` is the residue before the node, `expected` where a symmetric chain has the one that is stepped to.
    pub fn steps(
        &self,
        nodes: &[Node],
        parent: usize,
        earlier: Option<Point>,
        expected: Option<Point>,
        allowed: impl Fn(&Point) -> bool,
    ) -> Vec<Node> {
        let at = nodes[parent];
        let step = |direction: &Point| {
            let point = sum(&at.point, &scaled(direction, STEP));
            let bend = earlier.map_or(1.0, |e| bend_odds(squared_distance(&e, &point)));
            if bend < LEAST_BEND || !allowed(&point) {
                return None;
            }
            let score = f64::from(bend.ln()) + self.fit(&at.point, &point) + symmetry(expected, &point);
            Some(Node { point, parent: Some(parent), score: at.score + score })
        };
        self.directions.iter().filter_map(step).collect()
    }

    /// How well a step from `a` to a Calpha at `b` lies on the map.
    fn fit(&self, a: &Point, b: &Point) -> f64 {
        f64::from((self.ca_prob.nearest(b) + LEAST_CALPHA).ln()) + self.main_chain(a, b)
    }

    /// Mean log-probability of main chain between two points.
    pub fn main_chain(&self, a: &Point, b: &Point) -> f64 {
        // One logarithm of the product is quicker than the sum of many, and this is the inmost loop.
        let product: f64 =
            between(a, b).map(|p| f64::from(self.bb_prob.nearest(&p) + LEAST_MAIN_CHAIN)).iter().product();
        product.ln() / READ_AT.len() as f64
    }

    /// Keeps the best node of each voxel that runs into nothing, and of those the `beam` best.
    pub fn prune(&self, nodes: &mut Vec<Node>, beam: usize) {
        let better = |a: &usize, b: &usize| nodes[*b].score.total_cmp(&nodes[*a].score).then(a.cmp(b));
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        let (mut kept, mut voxels) = (Vec::with_capacity(beam), BTreeSet::new());
        let mut rest = &mut order[..];
        while kept.len() < beam && !rest.is_empty() {
            // Few nodes beyond the best are ever looked at, so that not all are sorted.
            let count = rest.len().min(LOOKED_AT * beam);
            if count < rest.len() {
                rest.select_nth_unstable_by(count, better);
            }
            let (best, others) = rest.split_at_mut(count);
            best.sort_unstable_by(better);
            for node in best.iter().map(|&i| nodes[i]) {
                let voxel = node.point.map(|v| v.round() as i64);
                // Clashes are looked for last: it takes longer than the rest, and few nodes come that far.
                if kept.len() < beam && !voxels.contains(&voxel) && !self.clashes(&node.point) {
                    voxels.insert(voxel);
                    kept.push(node);
                }
            }
            rest = others;
        }
        *nodes = kept;
    }

    /// Whether a placed residue is too near; the one before a step never is.
    fn clashes(&self, point: &Point) -> bool {
        self.cells.near(point, 1).any(|i| near(&self.placed[i], point))
    }

    /// Mean main-chain probability along a way.
    pub fn support(&self, way: &[Point]) -> f32 {
        let read = way.windows(2).flat_map(|pair| between(&pair[0], &pair[1])).map(|p| self.bb_prob.nearest(&p));
        read.sum::<f32>() / ((way.len() - 1) * READ_AT.len()) as f32
    }
}

fn symmetry(expected: Option<Point>, point: &Point) -> f64 {
    expected.map_or(0.0, |e| (-squared_distance(&e, point) / (SYMMETRY_WIDTH * SYMMETRY_WIDTH)).max(LEAST_SYMMETRY))
}

fn between(a: &Point, b: &Point) -> [Point; 3] {
    READ_AT.map(|part| std::array::from_fn(|d| a[d] + part * (b[d] - a[d])))
}

/// Unit vectors evenly over the sphere (Fibonacci lattice).
pub(crate) fn directions() -> Vec<Point> {
    let golden = std::f64::consts::PI * (3.0 - 5.0_f64.sqrt());
    let direction = |i: usize| {
        let z = 1.0 - (2.0 * i as f64 + 1.0) / DIRECTIONS as f64;
        let (sine, cosine) = (golden * i as f64).sin_cos();
        let radius = (1.0 - z * z).sqrt();
        [radius * cosine, radius * sine, z]
    };
    (0..DIRECTIONS).map(direction).collect()
}
