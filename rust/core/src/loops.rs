//! Loops that placed chains lack: their courses through a field, from the residue before to the one behind.
//!
//! Ways of as many steps as residues are missing grow in all directions; those that follow the field and keep clear of
//! what is placed go on. Where a map shows little, many ways are nearly as good as the best one. So of those that
//! arrive the one is taken with which most of the others agree, and how many do tells how sure each residue is.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::cells::squared_distance;
use crate::field::Field;
use crate::stride::{Node, STEP, directions, way};
use crate::vectors::{add, scaled, sum};
use crate::volume::Volume;
use crate::{CoreError, Monitor, Point};

/// Residues of a loop at most.
const LONGEST: usize = 30;
/// Ways that go on after each step, and how many of them may end in one cell, with its edge in Angstrom.
const BEAM: usize = 600;
const ALIKE: usize = 3;
const CELL: f64 = 1.5;
/// Angstrom between every second residue.
const LEAST_BEND: f64 = 4.8;
const MOST_BEND: f64 = 7.3;
/// Nearest that other residues of a loop come, in Angstrom.
const APART: f64 = 4.2;
/// Angstrom from a placed residue from which a step costs, how much per Angstrom, and where it cannot be taken.
const CROWDED: f64 = 4.5;
const CROWDING: f64 = 1.5;
const CLASH: f64 = 2.9;
/// Angstrom around the ends where placed residues do not count: their own neighbours.
const NEAR_END: f64 = 4.2;
/// What is darker, in standard deviations of the field, counts as this.
const DARK: f64 = -1.0;
/// Where the field is read on the way of a step, and how much that counts beside the Calpha.
const READ_AT: [f64; 2] = [1.0 / 3.0, 2.0 / 3.0];
const WAY: f64 = 0.5;
/// How straight a loop may be pulled, and by how many Angstrom its last steps may be off.
const STRAIGHT: f64 = 0.97;
const SLACK: f64 = 0.4;
/// Nearest that the last residue and the one before come to the end, in Angstrom.
const LAST: [f64; 2] = [3.0, 4.3];
/// Difference of scores, in standard deviations of the field, that makes a way e times as likely.
const TEMPERATURE: f64 = 3.0;
/// Angstrom within which two ways agree on a residue.
const AGREE: f64 = 3.0;

/// Residues of a chain that are placed.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Numbers along the chain, ascending.
    pub numbers: Vec<usize>,
    pub points: Vec<Point>,
}

/// The course of a loop.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    pub chain: usize,
    /// Number of the first residue.
    pub first: usize,
    pub points: Vec<Point>,
    /// Share of the ways, by their likelihood, that have each residue within 3 A of here.
    pub agreement: Vec<f64>,
}

/// Traces all loops of up to 30 residues behind two placed ones and before another, the shortest first; each keeps
/// clear of those before. `field` has a standard deviation of 1; points are in voxels.
pub fn trace(field: &Volume<'_>, chains: &[Placed], monitor: &Monitor) -> Result<Vec<Course>, CoreError> {
    for chain in chains {
        if chain.numbers.len() != chain.points.len() || !chain.numbers.is_sorted_by(|a, b| a < b) {
            return Err(CoreError::Invalid("residues of a chain must ascend, with a point each".into()));
        }
    }
    let mut placed: Vec<Point> = chains.iter().flat_map(|chain| chain.points.iter().copied()).collect();
    let gaps = gaps(chains);
    let bright = usual(field, &placed);
    let mut courses = Vec::new();
    monitor.begin(gaps.len());
    for gap in &gaps {
        monitor.advance(1)?;
        let frame = Frame::around(gap);
        let (heights, costs) = (frame.heights(field, bright), frame.costs(&placed));
        let terrain = Terrain { heights: frame.field(&heights)?, costs: frame.field(&costs)? };
        if let Some(course) = terrain.course(gap) {
            placed.extend(&course.points);
            courses.push(course);
        }
    }
    Ok(courses)
}

/// Median of the field at points.
fn usual(field: &Volume<'_>, points: &[Point]) -> f64 {
    let field = Field { volume: *field, origin: [0.0; 3], spacing: [1.0; 3] };
    let mut values: Vec<f64> = points.iter().map(|p| field.at(p)).collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).map_or(0.0, |v| v.max(0.0))
}

/// Missing residues and the two on either side.
#[derive(Debug, Clone)]
struct Gap {
    chain: usize,
    first: usize,
    missing: usize,
    before: [Point; 2],
    after: Point,
}

impl Gap {
    /// The longest way from end to end, in Angstrom.
    fn longest(&self) -> f64 {
        STEP * (self.missing + 1) as f64 + SLACK
    }

    /// Whether a residue at `point` that is followed by `steps` steps can belong to the loop.
    fn reaches(&self, point: &Point, steps: usize) -> bool {
        let longest = STRAIGHT * STEP * steps as f64 + SLACK;
        let shortest = LAST.get(steps - 1).copied().unwrap_or(0.0);
        (shortest * shortest..=longest * longest).contains(&squared_distance(point, &self.after))
    }

    fn near_end(&self, point: &Point) -> bool {
        [&self.before[1], &self.after].iter().any(|end| squared_distance(point, end) < NEAR_END * NEAR_END)
    }
}

/// The gaps of all chains, the shortest first.
fn gaps(chains: &[Placed]) -> Vec<Gap> {
    let gap = |chain: usize, i: usize| {
        let Placed { numbers, points } = &chains[chain];
        let missing = numbers[i + 1] - numbers[i] - 1;
        let anchored = i > 0 && numbers[i - 1] + 1 == numbers[i];
        (anchored && (1..=LONGEST).contains(&missing)).then(|| Gap {
            chain,
            first: numbers[i] + 1,
            missing,
            before: [points[i - 1], points[i]],
            after: points[i + 1],
        })
    };
    let pairs = |chain: usize| (0..chains[chain].numbers.len().saturating_sub(1)).map(move |i| (chain, i));
    let mut gaps: Vec<Gap> = (0..chains.len()).flat_map(pairs).filter_map(|(chain, i)| gap(chain, i)).collect();
    gaps.sort_by_key(|gap| (gap.missing, gap.chain, gap.first));
    gaps
}

/// The box around the ellipsoid of all ways over a gap.
struct Frame {
    low: Point,
    shape: [usize; 3],
}

impl Frame {
    fn around(gap: &Gap) -> Self {
        let reach = (0.5 * gap.longest() + 1.0).ceil();
        let low = std::array::from_fn(|d| (0.5 * (gap.before[1][d] + gap.after[d])).floor() - reach);
        Self { low, shape: [2 * reach as usize + 2; 3] }
    }

    fn voxels(&self) -> impl Iterator<Item = [usize; 3]> + use<> {
        let [nx, ny, nz] = self.shape;
        (0..nx).flat_map(move |x| (0..ny).flat_map(move |y| (0..nz).map(move |z| [x, y, z])))
    }

    fn field<'a>(&self, values: &'a [f32]) -> Result<Field<'a>, CoreError> {
        Ok(Field { volume: Volume::new(values, self.shape)?, origin: self.low, spacing: [1.0; 3] })
    }

    /// The field, nowhere brighter than `bright`.
    fn heights(&self, field: &Volume<'_>, bright: f64) -> Vec<f32> {
        let (dark, bright) = (DARK as f32, bright as f32);
        let value = |voxel: [usize; 3]| {
            let there = std::array::from_fn(|d| (self.low[d] + voxel[d] as f64) as i64);
            field.index(there).map_or(dark, |i| field.value(i).clamp(dark, bright))
        };
        self.voxels().map(value).collect()
    }

    /// What it costs to come near residues that are placed.
    fn costs(&self, placed: &[Point]) -> Vec<f32> {
        let mut costs = vec![0.0_f32; self.shape.iter().product()];
        for point in placed {
            let local: Point = std::array::from_fn(|d| point[d] - self.low[d]);
            let near = |d: usize| {
                let end = (local[d] + CROWDED + 1.0).min(self.shape[d] as f64).max(0.0);
                (local[d] - CROWDED).ceil().clamp(0.0, end) as usize..end as usize
            };
            for (x, y, z) in near(0).flat_map(|x| near(1).flat_map(move |y| near(2).map(move |z| (x, y, z)))) {
                let apart = squared_distance(&[x as f64, y as f64, z as f64], &local).sqrt();
                let here = &mut costs[(x * self.shape[1] + y) * self.shape[2] + z];
                *here = here.max((CROWDING * (CROWDED - apart)) as f32);
            }
        }
        costs
    }
}

/// Where a loop can go.
struct Terrain<'a> {
    heights: Field<'a>,
    costs: Field<'a>,
}

impl Terrain<'_> {
    /// The course of a loop, if any way arrives.
    fn course(&self, gap: &Gap) -> Option<Course> {
        let steps: Vec<Point> = directions().iter().map(|d| scaled(d, STEP)).collect();
        let mut nodes = vec![Node::start(gap.before[1])];
        let mut front = 0..1;
        for left in (1..=gap.missing).rev() {
            let next = |parent: usize| self.next(&nodes, parent, gap, left, &steps);
            let grown: Vec<Node> = front.into_par_iter().flat_map_iter(next).collect();
            let kept = best(grown);
            front = nodes.len()..nodes.len() + kept.len();
            nodes.extend(kept);
        }
        let ways: Vec<(Vec<Point>, f64)> = front.map(|i| (way(&nodes, i), nodes[i].score)).collect();
        let (points, agreement) = most_agreed(&ways)?;
        Some(Course { chain: gap.chain, first: gap.first, points, agreement })
    }

    /// The steps that a way can take with `left` residues to place.
    fn next(&self, nodes: &[Node], parent: usize, gap: &Gap, left: usize, steps: &[Point]) -> Vec<Node> {
        let at = &nodes[parent];
        let earlier = at.parent.map_or(gap.before[0], |i| nodes[i].point);
        let node = |step: &Point| {
            let point = sum(&at.point, step);
            let bend = squared_distance(&earlier, &point);
            let bends = (LEAST_BEND * LEAST_BEND..MOST_BEND * MOST_BEND).contains(&bend);
            if !bends || !gap.reaches(&point, left) || meets_itself(nodes, parent, &point) {
                return None;
            }
            let cost = if gap.near_end(&point) { 0.0 } else { self.costs.at(&point) };
            let score = at.score + self.height_along(&at.point, step) - cost;
            (cost < CROWDING * (CROWDED - CLASH)).then_some(Node { point, parent: Some(parent), score })
        };
        steps.iter().filter_map(node).collect()
    }

    /// The field at the end of a step and on its way.
    fn height_along(&self, from: &Point, step: &Point) -> f64 {
        let at = |part: f64| {
            let mut point = *from;
            add(&mut point, step, part);
            self.heights.at(&point)
        };
        at(1.0) + WAY * READ_AT.iter().map(|part| at(*part)).sum::<f64>()
    }
}

/// Whether a way comes too near to where it was before.
fn meets_itself(nodes: &[Node], parent: usize, point: &Point) -> bool {
    let earlier = std::iter::successors(nodes[parent].parent, |&i| nodes[i].parent);
    earlier.into_iter().any(|i| squared_distance(&nodes[i].point, point) < APART * APART)
}

/// The best ways, not too many of which end in the same place.
fn best(mut nodes: Vec<Node>) -> Vec<Node> {
    nodes.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut held: BTreeMap<[i64; 3], usize> = BTreeMap::new();
    let room = |node: &Node| {
        let count = held.entry(node.point.map(|v| (v / CELL).round() as i64)).or_default();
        *count += 1;
        *count <= ALIKE
    };
    nodes.into_iter().filter(room).take(BEAM).collect()
}

/// The way with which the others agree most, and how much at each of its residues.
fn most_agreed(ways: &[(Vec<Point>, f64)]) -> Option<(Vec<Point>, Vec<f64>)> {
    let top = ways.iter().map(|(_, score)| *score).max_by(f64::total_cmp)?;
    let likely: Vec<f64> = ways.iter().map(|(_, score)| ((score - top) / TEMPERATURE).exp()).collect();
    let total: f64 = likely.iter().sum();
    let agreement = |(points, _): &(Vec<Point>, f64)| -> Vec<f64> {
        let share = |(i, point): (usize, &Point)| {
            let agrees = |other: &[Point]| squared_distance(&other[i], point) < AGREE * AGREE;
            ways.iter().zip(&likely).filter(|((other, _), _)| agrees(other)).map(|(_, w)| w).sum::<f64>() / total
        };
        points.iter().enumerate().map(share).collect()
    };
    let agreements: Vec<Vec<f64>> = ways.par_iter().map(agreement).collect();
    let sums = agreements.iter().map(|a| a.iter().sum::<f64>());
    let (chosen, _) = sums.enumerate().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
    Some((ways[chosen].0.clone(), agreements[chosen].clone()))
}
