//! Rigid search: where in a map a body can be, in any orientation, without any hint.
//!
//! The worth of a pose is the mean of a field over the sites of the body. For every rotation of an even set, this is a
//! correlation of the field with the body on a coarse grid, for all shifts at once by Fourier transforms; the best of
//! all poses are then moved uphill in the field itself.

use rayon::prelude::*;

use crate::body::Body;
use crate::cells::squared_distance;
use crate::fft::{Coefficient, Transform, good_length};
use crate::geometry::Motion;
use crate::refine::density::Density;
use crate::rotations::{Rotation, about, evenly, product};
use crate::vectors::{add, cross, dot, length, scaled};
use crate::volume::Volume;
use crate::{CoreError, Monitor, Point};

/// Shifts that are kept of every rotation.
const SHIFTS: usize = 4;
/// First step uphill, the last one, and the most of them, in Angstrom.
const FIRST_STEP: f64 = 1.0;
const LAST_STEP: f64 = 0.02;
const MOST_STEPS: usize = 80;
/// Points of a body on which poses are compared.
const COMPARED: usize = 40;

/// A map made ready for a search. Positions are in Angstrom from voxel 0,0,0, the same of both.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    pub field: Density<'a>,
    /// The same blurred to voxels of `spacing` Angstrom.
    pub coarse: Volume<'a>,
    pub shape: [usize; 3],
    pub spacing: f64,
}

/// How thorough a search is.
#[derive(Debug, Clone, Copy)]
pub struct Thoroughness {
    /// Radians between neighbouring rotations.
    pub step: f64,
    /// Poses that are moved uphill.
    pub starts: usize,
    /// Poses that are returned, and how far apart (root mean square, Angstrom) they are at least.
    pub poses: usize,
    pub apart: f64,
}

/// Where a body is, and the mean of the field over its sites.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    pub motion: Motion,
    pub score: f64,
}

/// The best poses of `body`, the best first.
pub fn search(scene: &Scene<'_>, body: &Body, how: &Thoroughness, monitor: &Monitor) -> Result<Vec<Pose>, CoreError> {
    if !(how.step.is_finite() && how.step > 0.02 && scene.spacing.is_finite() && scene.spacing > 0.0) {
        return Err(CoreError::Invalid("the steps of a search must be positive, of rotations at least 0.02".into()));
    }
    let centred = Centred::new(body);
    let mut starts = sweep(scene, &centred, how.step, monitor)?;
    starts.sort_by(|a, b| b.score.total_cmp(&a.score));
    starts.truncate(how.starts);
    let settled: Result<Vec<Pose>, CoreError> =
        starts.par_iter().map(|start| monitor.check().map(|()| centred.settle(&scene.field, start))).collect();
    Ok(distinct(settled?, &body.points, how))
}

/// Moves a body uphill from each of some poses.
pub fn settle(field: &Density<'_>, body: &Body, starts: &[Motion], monitor: &Monitor) -> Result<Vec<Pose>, CoreError> {
    let centred = Centred::new(body);
    monitor.begin(starts.len());
    let from = |start: &Motion| {
        monitor.advance(1)?;
        let start = Start { score: 0.0, rotation: start.rotation, centre: start.apply(&centred.centre) };
        Ok(centred.settle(field, &start))
    };
    starts.par_iter().map(from).collect()
}

/// A body around its centre.
struct Centred {
    centre: Point,
    cloud: Vec<(Point, f64)>,
    /// Root mean square distance from the centre.
    radius: f64,
}

impl Centred {
    fn new(body: &Body) -> Self {
        let mut cloud = body.cloud();
        let mut centre = [0.0; 3];
        for (p, weight) in &cloud {
            add(&mut centre, p, *weight);
        }
        for (p, _) in &mut cloud {
            add(p, &centre, -1.0);
        }
        let radius = cloud.iter().map(|(p, weight)| weight * dot(p, p)).sum::<f64>().sqrt().max(1.0);
        Self { centre, cloud, radius }
    }

    fn reach(&self) -> f64 {
        self.cloud.iter().map(|(p, _)| length(p)).fold(0.0, f64::max)
    }

    /// Mean of the field, and how it rises with a shift and with a turn about the centre.
    fn rise(&self, field: &Density<'_>, rotation: &Rotation, centre: &Point) -> (f64, Point, Point) {
        let (mut value, mut force, mut torque) = (0.0, [0.0; 3], [0.0; 3]);
        for (p, weight) in &self.cloud {
            let arm = std::array::from_fn(|i| dot(&rotation[i], p));
            let (v, slope) = field.at(&std::array::from_fn(|i| arm[i] + centre[i]));
            value += weight * v;
            add(&mut force, &slope, *weight);
            add(&mut torque, &cross(&arm, &slope), *weight);
        }
        (value, force, torque)
    }

    /// Moves a pose uphill; a turn counts as far as it moves the body.
    fn settle(&self, field: &Density<'_>, start: &Start) -> Pose {
        let (mut rotation, mut centre) = (start.rotation, start.centre);
        let (mut score, mut force, mut torque) = self.rise(field, &rotation, &centre);
        let mut step = FIRST_STEP;
        for _ in 0..MOST_STEPS {
            let norm = (dot(&force, &force) + dot(&torque, &torque) / self.radius.powi(2)).sqrt();
            if norm < 1e-9 || step < LAST_STEP {
                break;
            }
            let turn = scaled(&torque, step / norm / self.radius.powi(2));
            let turned = product(&about(&turn), &rotation);
            let mut moved = centre;
            add(&mut moved, &force, step / norm);
            let there = self.rise(field, &turned, &moved);
            if there.0 > score {
                (rotation, centre) = (turned, moved);
                (score, force, torque) = there;
                step *= 1.3;
            } else {
                step *= 0.5;
            }
        }
        let shift = std::array::from_fn(|i| centre[i] - dot(&rotation[i], &self.centre));
        Pose { motion: Motion { rotation, shift }, score }
    }
}

/// A pose on the coarse grid.
struct Start {
    score: f32,
    rotation: Rotation,
    centre: Point,
}

/// The best shifts of every rotation.
fn sweep(scene: &Scene<'_>, body: &Centred, step: f64, monitor: &Monitor) -> Result<Vec<Start>, CoreError> {
    let grid = Grid::new(scene, body)?;
    let rotations = evenly(step);
    monitor.begin(rotations.len());
    let found: Result<Vec<Vec<Start>>, CoreError> = rotations
        .par_iter()
        .map_init(
            || grid.buffers(),
            |buffers, rotation| {
                monitor.advance(1)?;
                grid.correlate(body, rotation, buffers)?;
                let start = |(voxel, score)| Start { score, rotation: *rotation, centre: grid.position(voxel) };
                Ok(grid.peaks(&buffers.0).into_iter().map(start).collect())
            },
        )
        .collect();
    Ok(found?.into_iter().flatten().collect())
}

type Buffers = (Vec<f32>, Vec<Coefficient>);

/// The coarse field in a box with so much room that no body reaches around it.
struct Grid {
    inner: [usize; 3],
    shape: [usize; 3],
    spacing: f64,
    transform: Transform,
    field: Vec<Coefficient>,
}

impl Grid {
    fn new(scene: &Scene<'_>, body: &Centred) -> Result<Self, CoreError> {
        let room = (body.reach() / scene.spacing).ceil() as usize + 1;
        let shape = scene.shape.map(|n| good_length(n.max(room) + room));
        let transform = Transform::new(shape);
        let mut padded = vec![0.0; transform.values()];
        for i in 0..scene.coarse.len() {
            padded[flat(&shape, scene.coarse.voxel(i).map(|v| v as usize))] = scene.coarse.value(i);
        }
        let mut field = vec![Coefficient::default(); transform.coefficients()];
        transform.forward(&mut padded, &mut field)?;
        let scale = 1.0 / transform.values() as f32;
        for coefficient in &mut field {
            *coefficient *= scale;
        }
        Ok(Self { inner: scene.shape, shape, spacing: scene.spacing, transform, field })
    }

    fn buffers(&self) -> Buffers {
        (vec![0.0; self.transform.values()], vec![Coefficient::default(); self.transform.coefficients()])
    }

    /// The mean of the field over the sites of the rotated body, for its centre at every voxel.
    fn correlate(&self, body: &Centred, rotation: &Rotation, buffers: &mut Buffers) -> Result<(), CoreError> {
        let (volume, coefficients) = buffers;
        volume.fill(0.0);
        for (p, weight) in &body.cloud {
            let place: Point = std::array::from_fn(|i| dot(&rotation[i], p) / self.spacing);
            self.spread(volume, &place, *weight);
        }
        self.transform.forward(volume, coefficients)?;
        for (c, field) in coefficients.iter_mut().zip(&self.field) {
            *c = field * c.conj();
        }
        self.transform.inverse(coefficients, volume)
    }

    /// Shares a weight among the eight voxels around a place; what is negative lies at the far end of the box.
    fn spread(&self, volume: &mut [f32], place: &Point, weight: f64) {
        let low = place.map(f64::floor);
        for corner in 0..8_usize {
            let upper: [usize; 3] = std::array::from_fn(|d| corner >> d & 1);
            let share = |d: usize| if upper[d] == 1 { place[d] - low[d] } else { 1.0 - (place[d] - low[d]) };
            let voxel =
                std::array::from_fn(|d| (low[d] as i64 + upper[d] as i64).rem_euclid(self.shape[d] as i64) as usize);
            volume[flat(&self.shape, voxel)] += (weight * share(0) * share(1) * share(2)) as f32;
        }
    }

    /// The highest voxels inside the map that no neighbour exceeds.
    fn peaks(&self, volume: &[f32]) -> Vec<([usize; 3], f32)> {
        let mut best: Vec<([usize; 3], f32)> = Vec::with_capacity(SHIFTS + 1);
        for x in 0..self.inner[0] {
            for y in 0..self.inner[1] {
                let line = flat(&self.shape, [x, y, 0]);
                for (z, value) in volume[line..line + self.inner[2]].iter().enumerate() {
                    let enters = best.len() < SHIFTS || best.last().is_some_and(|(_, least)| value > least);
                    if enters && self.is_peak(volume, [x, y, z], *value) {
                        let place = best.partition_point(|(_, other)| other >= value);
                        best.insert(place, ([x, y, z], *value));
                        best.truncate(SHIFTS);
                    }
                }
            }
        }
        best
    }

    fn is_peak(&self, volume: &[f32], voxel: [usize; 3], value: f32) -> bool {
        let around = |d: usize| voxel[d].saturating_sub(1)..(voxel[d] + 2).min(self.inner[d]);
        around(0).all(|x| around(1).all(|y| around(2).all(|z| volume[flat(&self.shape, [x, y, z])] <= value)))
    }

    fn position(&self, voxel: [usize; 3]) -> Point {
        voxel.map(|v| v as f64 * self.spacing)
    }
}

fn flat(shape: &[usize; 3], [x, y, z]: [usize; 3]) -> usize {
    (x * shape[1] + y) * shape[2] + z
}

/// The best poses that lie apart from all better ones.
fn distinct(mut poses: Vec<Pose>, points: &[Point], how: &Thoroughness) -> Vec<Pose> {
    poses.sort_by(|a, b| b.score.total_cmp(&a.score));
    let compared: Vec<&Point> = points.iter().step_by(points.len().div_ceil(COMPARED)).collect();
    let mut kept: Vec<(Pose, Vec<Point>)> = Vec::new();
    for pose in poses {
        let places: Vec<Point> = compared.iter().map(|p| pose.motion.apply(p)).collect();
        let off = |other: &[Point]| places.iter().zip(other).map(|(a, b)| squared_distance(a, b)).sum::<f64>();
        let least = how.apart.powi(2) * places.len() as f64;
        if kept.iter().all(|(_, other)| off(other) > least) {
            kept.push((pose, places));
            if kept.len() == how.poses {
                break;
            }
        }
    }
    kept.into_iter().map(|(pose, _)| pose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::SideChain;

    const SHAPE: [usize; 3] = [9, 8, 7];

    fn body() -> Body {
        let points = vec![[0.0, 0.0, 0.0], [3.0, 2.2, 0.5], [5.8, 0.3, 2.0], [8.1, 3.0, 3.3], [9.0, 5.5, 0.4]];
        Body::new((0..5).collect(), points, &[SideChain { atoms: 3.0, reach: 2.1 }; 5]).unwrap()
    }

    fn waves(shape: [usize; 3]) -> Vec<f32> {
        (0..shape.iter().product::<usize>()).map(|i| ((i * 7919) % 23) as f32 - 11.0).collect()
    }

    /// The mean over the sites, read one by one from the coarse field; 0 outside.
    fn slow(scene: &Scene<'_>, body: &Centred, rotation: &Rotation, centre: &Point) -> f64 {
        let field = crate::field::Field { volume: scene.coarse, origin: [0.0; 3], spacing: [scene.spacing; 3] };
        let at = |p: &Point| std::array::from_fn(|i| dot(&rotation[i], p) + centre[i]);
        body.cloud.iter().map(|(p, weight)| weight * field.at(&at(p))).sum()
    }

    #[test]
    fn all_shifts_at_once_are_the_sums_over_the_sites() {
        let values = waves(SHAPE);
        let coarse = Volume::new(&values, SHAPE).unwrap();
        let field = Density::new(coarse, [1.0; 3]).unwrap();
        let scene = Scene { field, coarse, shape: SHAPE, spacing: 2.5 };
        let centred = Centred::new(&body());
        let grid = Grid::new(&scene, &centred).unwrap();
        let mut buffers = grid.buffers();
        for rotation in evenly(1.3) {
            grid.correlate(&centred, &rotation, &mut buffers).unwrap();
            for voxel in [[0, 0, 0], [4, 3, 5], [8, 7, 6], [8, 0, 3]] {
                let expected = slow(&scene, &centred, &rotation, &grid.position(voxel));
                assert!((f64::from(buffers.0[flat(&grid.shape, voxel)]) - expected).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn peaks_are_the_highest_voxels_without_a_higher_neighbour() {
        let values = waves(SHAPE);
        let coarse = Volume::new(&values, SHAPE).unwrap();
        let scene = Scene { field: Density::new(coarse, [1.0; 3]).unwrap(), coarse, shape: SHAPE, spacing: 2.0 };
        let grid = Grid::new(&scene, &Centred::new(&body())).unwrap();
        let mut volume = vec![0.0; grid.transform.values()];
        (volume[flat(&grid.shape, [2, 2, 2])], volume[flat(&grid.shape, [2, 2, 3])]) = (5.0, 4.0);
        (volume[flat(&grid.shape, [6, 6, 6])], volume[flat(&grid.shape, grid.inner)]) = (3.0, 9.0);
        assert_eq!(grid.peaks(&volume)[..2], [([2, 2, 2], 5.0), ([6, 6, 6], 3.0)]);
    }

    #[test]
    fn rises_are_slopes() {
        let shape = [30; 3];
        let values = waves(shape);
        let field = Density::new(Volume::new(&values, shape).unwrap(), [1.0; 3]).unwrap();
        let centred = Centred::new(&body());
        let (start, centre) = (evenly(1.0)[7], [14.2, 15.1, 13.7]);
        let (value, force, torque) = centred.rise(&field, &start, &centre);
        let h = 1e-5;
        for d in 0..3 {
            let mut step = [0.0; 3];
            step[d] = h;
            let mut moved = centre;
            moved[d] += h;
            let shifted = (centred.rise(&field, &start, &moved).0 - value) / h;
            let turned = (centred.rise(&field, &product(&about(&step), &start), &centre).0 - value) / h;
            assert!((shifted - force[d]).abs() < 1e-2 && (turned - torque[d]).abs() < 5e-2);
        }
    }
}
