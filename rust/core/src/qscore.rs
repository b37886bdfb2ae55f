//! Q-scores: how much the density around an atom looks like that of a resolved atom.
//!
//! Pintilie et al., Nature Methods 17, 328-334 (2020): values of the map on spheres around the atom are correlated with a
//! Gaussian of 0.6 A. Points that another atom is nearer to are left out.

use rayon::prelude::*;

use crate::cells::{Cells, squared_distance};
use crate::volume::Volume;
use crate::{CoreError, Monitor, Point};

/// Width of the Gaussian in Angstrom.
const SIGMA: f64 = 0.6;
/// Number of spheres, and how far apart they are in Angstrom.
const SHELLS: usize = 20;
const SHELL_STEP: f64 = 0.1;
/// Points of a sphere; other atoms may take some away, and then more are tried.
const POINTS: usize = 8;
const MORE: usize = 2;
const TRIES: usize = 96;
/// A point belongs to another atom when it is closer to it than this part of the sphere's radius.
const OWNED: f64 = 0.9;
/// Atoms further apart than this many Angstrom never take points from each other.
const REACH: f64 = SHELLS as f64 * SHELL_STEP * (1.0 + OWNED);

/// Q of every atom; NaN for atoms outside the map.
///
/// `atoms` are in Angstrom from the centre of voxel 0, 0, 0, and `spacing` is the voxel size.
pub fn q_scores(
    volume: &Volume<'_>,
    spacing: &Point,
    atoms: &[Point],
    monitor: &Monitor,
) -> Result<Vec<f32>, CoreError> {
    if !spacing.iter().all(|s| s.is_finite() && *s > 0.0) {
        return Err(CoreError::Invalid("spacing must be positive".into()));
    }
    let cells = Cells::new(atoms, REACH)?;
    let spheres: Vec<Vec<Point>> = (0..TRIES).map(|i| spiral(POINTS + MORE * i)).collect();
    monitor.begin(atoms.len());
    let score = |index: usize| {
        monitor.advance(1)?;
        let atom = &atoms[index];
        if value_at(volume, spacing, atom).is_none() {
            return Ok(f32::NAN);
        }
        let others: Vec<Point> = cells
            .near(atom, 1)
            .filter(|&j| j != index && squared_distance(atom, &atoms[j]) < REACH * REACH)
            .map(|j| atoms[j])
            .collect();
        Ok(q_score(&Profile { volume, spacing, atom, others, spheres: &spheres }))
    };
    (0..atoms.len()).into_par_iter().map(score).collect()
}

/// What the score of one atom needs.
struct Profile<'a> {
    volume: &'a Volume<'a>,
    spacing: &'a Point,
    atom: &'a Point,
    others: Vec<Point>,
    spheres: &'a [Vec<Point>],
}

impl Profile<'_> {
    fn value(&self, point: &Point) -> f64 {
        value_at(self.volume, self.spacing, point).unwrap_or(0.0)
    }

    /// The points of the first sphere of a radius that has enough of its own, or of the last one tried.
    fn own_points(&self, radius: f64) -> Vec<Point> {
        let mut own = Vec::new();
        for sphere in self.spheres {
            own.clear();
            let points = sphere.iter().map(|u| [0, 1, 2].map(|d| self.atom[d] + radius * u[d]));
            own.extend(points.filter(|point| !self.is_taken(point, OWNED * radius)));
            if own.len() >= POINTS {
                break;
            }
        }
        own
    }

    fn is_taken(&self, point: &Point, within: f64) -> bool {
        self.others.iter().any(|other| squared_distance(point, other) < within * within)
    }
}

fn q_score(profile: &Profile<'_>) -> f32 {
    let mut sums = Sums::default();
    for _ in 0..POINTS {
        sums.add(profile.value(profile.atom), 1.0);
    }
    for shell in 1..=SHELLS {
        let radius = shell as f64 * SHELL_STEP;
        let ideal = (-0.5 * (radius / SIGMA).powi(2)).exp();
        for point in profile.own_points(radius) {
            sums.add(profile.value(&point), ideal);
        }
    }
    sums.correlation() as f32
}

/// Running sums of pairs, for their correlation about the mean.
#[derive(Default)]
struct Sums {
    count: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Sums {
    fn add(&mut self, x: f64, y: f64) {
        self.count += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.yy += y * y;
        self.xy += x * y;
    }

    /// Pearson's coefficient; 0 where the map has no contrast.
    fn correlation(&self) -> f64 {
        let spread_x = self.xx - self.x * self.x / self.count;
        let spread_y = self.yy - self.y * self.y / self.count;
        if spread_x <= 1e-12 * self.xx || spread_y <= 0.0 {
            return 0.0;
        }
        (self.xy - self.x * self.y / self.count) / (spread_x * spread_y).sqrt()
    }
}

/// Points spread evenly over the unit sphere (Saff and Kuijlaars, Math. Intelligencer 19, 5-11, 1997).
fn spiral(count: usize) -> Vec<Point> {
    let mut turn = 0.0_f64;
    (0..count)
        .map(|k| {
            let height = -1.0 + 2.0 * k as f64 / (count - 1) as f64;
            let wide = 1.0 - height * height;
            turn = if k == 0 || k == count - 1 { 0.0 } else { turn + 3.6 / (count as f64 * wide).sqrt() };
            let across = wide.max(0.0).sqrt();
            [across * turn.cos(), across * turn.sin(), height]
        })
        .collect()
}

/// Trilinear value of the map; None outside.
fn value_at(volume: &Volume<'_>, spacing: &Point, point: &Point) -> Option<f64> {
    let place: Point = [0, 1, 2].map(|d| point[d] / spacing[d]);
    let low = place.map(|v| v.floor() as i64);
    let part: Point = [0, 1, 2].map(|d| place[d] - place[d].floor());
    let mut value = 0.0;
    for corner in 0..8_usize {
        let up = [corner & 1, corner >> 1 & 1, corner >> 2 & 1];
        let weight: f64 = (0..3).map(|d| if up[d] == 1 { part[d] } else { 1.0 - part[d] }).product();
        if weight > 0.0 {
            let voxel = [0, 1, 2].map(|d| low[d] + up[d] as i64);
            value += weight * f64::from(volume.value(volume.index(voxel)?));
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ideal(width: f64) -> Vec<f32> {
        let axis = |i: usize| (i as f64 - 10.0) * 0.4;
        let squared = |i: usize| axis(i / 441).powi(2) + axis(i / 21 % 21).powi(2) + axis(i % 21).powi(2);
        (0..9261).map(|i| (-0.5 * squared(i) / (width * width)).exp() as f32).collect()
    }

    fn q(values: &[f32], atoms: &[Point]) -> Vec<f32> {
        let volume = Volume::new(values, [21, 21, 21]).unwrap();
        q_scores(&volume, &[0.4; 3], atoms, &Monitor::default()).unwrap()
    }

    #[test]
    fn a_resolved_atom_scores_one_and_a_blurred_one_less() {
        let centre = [[4.0; 3]];
        assert!(q(&ideal(0.6), &centre)[0] > 0.99);
        let blurred = q(&ideal(1.5), &centre)[0];
        assert!(blurred < q(&ideal(1.0), &centre)[0] && blurred > 0.5);
        assert!(q(&ideal(0.6), &[[5.5, 4.0, 4.0]])[0] < 0.0, "beside the atom the density falls the wrong way");
    }

    #[test]
    fn outside_and_flat() {
        assert!(q(&ideal(0.6), &[[9.0; 3]])[0].is_nan());
        assert!(q(&vec![1.0; 9261], &[[4.0; 3]])[0].abs() < 1e-9);
    }

    #[test]
    fn sphere_is_spread_evenly() {
        for count in [8, 20, 198] {
            let points = spiral(count);
            let mean = [0, 1, 2].map(|d| points.iter().map(|p| p[d]).sum::<f64>() / count as f64);
            assert!(mean.iter().all(|m| m.abs() < 0.2), "{mean:?}");
            assert!(points.iter().all(|p| (p.iter().map(|v| v * v).sum::<f64>() - 1.0).abs() < 1e-9));
        }
    }
}
