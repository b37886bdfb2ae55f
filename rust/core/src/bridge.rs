//! Bridging: residues that have no candidate are placed on the main chain between two placed ones.
//!
//! Steps of one Calpha distance go from the residue before the gap in directions all around; those that lie best on
//! Calpha and main-chain probability, bend as a chain does, and can still reach the residue after the gap go on.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::cells::{Cells, squared_distance};
use crate::volume::Volume;
use crate::walk::bend_odds;
use crate::{CoreError, Monitor, Point};

/// Distance of consecutive Calphas in Angstrom, and how much the last one of a bridge may deviate.
const STEP: f64 = 3.8;
const SLACK: f64 = 0.8;
/// Deviation in Angstrom at which the last distance costs half a unit of log-odds.
const STRETCH: f64 = 0.35;
/// Residues that are bridged at most.
const LONGEST: usize = 8;
/// Directions of a step, and bridges that go on after each.
const DIRECTIONS: usize = 96;
const BEAM: usize = 48;
/// Nearest two Calphas of different residues can be, in Angstrom.
const CLASH: f64 = 3.2;
/// Probabilities below these tell nothing more.
const LEAST_CALPHA: f32 = 0.02;
const LEAST_MAIN_CHAIN: f32 = 0.05;
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

/// Residues placed in one gap.
#[derive(Debug, Clone, PartialEq)]
pub struct Bridge {
    pub chain: usize,
    /// First of the residues.
    pub first: usize,
    pub points: Vec<Point>,
    /// Mean main-chain probability on the way.
    pub support: f32,
}

/// Bridges over the gaps of all chains; where two of them collide, the shorter one stays.
pub fn bridge(
    chains: &[Strand],
    ca_prob: &Volume<'_>,
    bb_prob: &Volume<'_>,
    monitor: &Monitor,
) -> Result<Vec<Bridge>, CoreError> {
    let placed: Vec<Point> = chains.iter().flat_map(|c| c.points.iter().flatten().copied()).collect();
    let cells = Cells::new(&placed, CLASH)?;
    let directions = directions();
    let gaps: Vec<Gap> = chains.iter().enumerate().flat_map(|(c, chain)| gaps(c, chain)).collect();
    monitor.begin(gaps.len());
    let search = |gap: &Gap| {
        monitor.advance(1)?;
        Ok(Bridger {
            ca_prob,
            bb_prob,
            placed: &placed,
            cells: &cells,
            chain: &chains[gap.chain],
            directions: &directions,
        }
        .span(gap))
    };
    let found: Result<Vec<Option<Bridge>>, CoreError> = gaps.par_iter().map(search).collect();
    Ok(without_clashes(found?.into_iter().flatten().collect()))
}

/// Missing residues between two placed ones.
#[derive(Debug, Clone, Copy)]
struct Gap {
    chain: usize,
    before: usize,
    after: usize,
}

fn gaps(chain: usize, strand: &Strand) -> Vec<Gap> {
    let placed: Vec<usize> = (0..strand.points.len()).filter(|&i| strand.points[i].is_some()).collect();
    let short = |pair: &&[usize]| (2..=LONGEST + 1).contains(&(pair[1] - pair[0]));
    placed.windows(2).filter(short).map(|pair| Gap { chain, before: pair[0], after: pair[1] }).collect()
}

fn without_clashes(mut bridges: Vec<Bridge>) -> Vec<Bridge> {
    bridges.sort_by_key(|b| (b.points.len(), b.chain, b.first));
    let mut kept: Vec<Bridge> = Vec::new();
    for bridge in bridges {
        let clashes = |other: &Bridge| other.points.iter().any(|p| bridge.points.iter().any(|q| near(p, q)));
        if !kept.iter().any(clashes) {
            kept.push(bridge);
        }
    }
    kept
}

fn near(a: &Point, b: &Point) -> bool {
    squared_distance(a, b) < CLASH * CLASH
}

/// A bridge that has come as far as one point.
#[derive(Debug, Clone, Copy)]
struct Node {
    point: Point,
    parent: Option<usize>,
    score: f64,
}

struct Bridger<'a> {
    ca_prob: &'a Volume<'a>,
    bb_prob: &'a Volume<'a>,
    placed: &'a [Point],
    cells: &'a Cells,
    chain: &'a Strand,
    directions: &'a [Point],
}

impl Bridger<'_> {
    /// The best bridge over `gap`.
    fn span(&self, gap: &Gap) -> Option<Bridge> {
        let (start, goal) = (self.chain.points[gap.before]?, self.chain.points[gap.after]?);
        let mut nodes = vec![Node { point: start, parent: None, score: 0.0 }];
        let mut front = 0..1;
        for residue in gap.before + 1..gap.after {
            let mut next: Vec<Node> = front.flat_map(|parent| self.steps(&nodes, parent, gap, residue)).collect();
            self.prune(&mut next);
            front = nodes.len()..nodes.len() + next.len();
            nodes.extend(next);
        }
        let best = front.map(|i| (i, nodes[i].score + self.closing(&nodes, i, gap, &goal)));
        let (last, _) = best.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
        let mut points: Vec<Point> =
            std::iter::successors(Some(nodes[last]), |n| n.parent.map(|p| nodes[p])).map(|n| n.point).collect();
        points.pop();
        points.reverse();
        let support = self.support(&start, &points, &goal);
        Some(Bridge { chain: gap.chain, first: gap.before + 1, points, support })
    }

    /// All steps from node `parent` to `residue` that bend as a chain does and can reach the goal.
    fn steps(&self, nodes: &[Node], parent: usize, gap: &Gap, residue: usize) -> Vec<Node> {
        let at = nodes[parent];
        let earlier = self.earlier(nodes, parent, gap);
        let step = |direction: &Point| {
            let point: Point = std::array::from_fn(|d| at.point[d] + STEP * direction[d]);
            let bend = earlier.map_or(1.0, |e| bend_odds(squared_distance(&e, &point)));
            if bend < LEAST_BEND || !self.reaches_goal(&point, gap, residue) {
                return None;
            }
            let score = f64::from(bend.ln()) + self.fit(&at.point, &point) + self.symmetry(residue, &point);
            Some(Node { point, parent: Some(parent), score: at.score + score })
        };
        self.directions.iter().filter_map(step).collect()
    }

    fn reaches_goal(&self, point: &Point, gap: &Gap, residue: usize) -> bool {
        self.chain.points[gap.after].is_some_and(|goal| reaches(point, &goal, gap.after - residue))
    }

    /// The residue before node `i`, in the bridge or in the chain.
    fn earlier(&self, nodes: &[Node], i: usize, gap: &Gap) -> Option<Point> {
        match nodes[i].parent {
            Some(parent) => Some(nodes[parent].point),
            None => gap.before.checked_sub(1).and_then(|e| self.chain.points[e]),
        }
    }

    /// Log-odds of the way from the last node `i` to the end of the gap.
    fn closing(&self, nodes: &[Node], i: usize, gap: &Gap, goal: &Point) -> f64 {
        let last = nodes[i].point;
        let stretch = (squared_distance(&last, goal).sqrt() - STEP) / STRETCH;
        let bend = |a: Option<Point>, b: &Point| a.map_or(0.0, |a| f64::from(bend_odds(squared_distance(&a, b)).ln()));
        let after = self.chain.points.get(gap.after + 1).copied().flatten();
        self.main_chain(&last, goal) + bend(self.earlier(nodes, i, gap), goal) + bend(after, &last)
            - 0.5 * stretch * stretch
    }

    /// How well a step from `a` to a Calpha at `b` lies on the map.
    fn fit(&self, a: &Point, b: &Point) -> f64 {
        f64::from((self.ca_prob.nearest(b) + LEAST_CALPHA).ln()) + self.main_chain(a, b)
    }

    fn main_chain(&self, a: &Point, b: &Point) -> f64 {
        let read = |p: Point| f64::from((self.bb_prob.nearest(&p) + LEAST_MAIN_CHAIN).ln());
        between(a, b).map(read).iter().sum::<f64>() / READ_AT.len() as f64
    }

    fn symmetry(&self, residue: usize, point: &Point) -> f64 {
        self.chain.expected[residue]
            .map_or(0.0, |e| (-squared_distance(&e, point) / (SYMMETRY_WIDTH * SYMMETRY_WIDTH)).max(LEAST_SYMMETRY))
    }

    /// Keeps the best node of each voxel that runs into nothing, and of those the best ones.
    fn prune(&self, nodes: &mut Vec<Node>) {
        nodes.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut voxels = BTreeSet::new();
        nodes.retain(|node| {
            let voxel = node.point.map(|v| v.round() as i64);
            // Clashes are looked for last: it takes longer than the rest, and few nodes come that far.
            voxels.len() < BEAM && !voxels.contains(&voxel) && !self.clashes(&node.point) && voxels.insert(voxel)
        });
    }

    /// Whether a placed residue is too near; the one before a step never is.
    fn clashes(&self, point: &Point) -> bool {
        self.cells.near(point, 1).any(|i| near(&self.placed[i], point))
    }

    fn support(&self, start: &Point, points: &[Point], goal: &Point) -> f32 {
        let ends: Vec<&Point> = std::iter::once(start).chain(points).chain(std::iter::once(goal)).collect();
        let read = ends.windows(2).flat_map(|pair| between(pair[0], pair[1])).map(|p| self.bb_prob.nearest(&p));
        read.sum::<f32>() / ((ends.len() - 1) * READ_AT.len()) as f32
    }
}

fn between(a: &Point, b: &Point) -> [Point; 3] {
    READ_AT.map(|part| std::array::from_fn(|d| a[d] + part * (b[d] - a[d])))
}

/// Whether `steps` steps can lead from `point` to `goal`, neither too short nor too long.
fn reaches(point: &Point, goal: &Point, steps: usize) -> bool {
    let longest = STEP * steps as f64 + SLACK;
    let shortest = if steps == 1 { STEP - SLACK } else { 0.0 };
    (shortest * shortest..=longest * longest).contains(&squared_distance(point, goal))
}

/// Unit vectors evenly over the sphere (Fibonacci lattice).
fn directions() -> Vec<Point> {
    let golden = std::f64::consts::PI * (3.0 - 5.0_f64.sqrt());
    let direction = |i: usize| {
        let z = 1.0 - (2.0 * i as f64 + 1.0) / DIRECTIONS as f64;
        let (sine, cosine) = (golden * i as f64).sin_cos();
        let radius = (1.0 - z * z).sqrt();
        [radius * cosine, radius * sine, z]
    };
    (0..DIRECTIONS).map(direction).collect()
}
