//! Superposition of points, and how far apart residues of a chain are.

use crate::Point;
use crate::cells::squared_distance;
use crate::vectors::dot;

/// A rotation and a translation: `x -> rotation x + shift`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    pub rotation: [[f64; 3]; 3],
    pub shift: Point,
}

impl Motion {
    pub const IDENTITY: Self = Self { rotation: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], shift: [0.0; 3] };

    /// The motion that does `first`, and then this one.
    #[must_use]
    pub fn after(&self, first: &Self) -> Self {
        let columns: [Point; 3] = std::array::from_fn(|j| std::array::from_fn(|i| first.rotation[i][j]));
        let rotation = std::array::from_fn(|i| std::array::from_fn(|j| dot(&self.rotation[i], &columns[j])));
        Self { rotation, shift: self.apply(&first.shift) }
    }

    /// Largest difference of the rotation matrices, and of the shifts in thousands of Angstrom.
    #[must_use]
    pub fn distance(&self, other: &Self) -> f64 {
        let matrices = self.rotation.iter().flatten().zip(other.rotation.iter().flatten());
        let turned = matrices.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        self.shift.iter().zip(&other.shift).map(|(a, b)| (a - b).abs() / 1000.0).fold(turned, f64::max)
    }

    /// Where the motion takes `p`.
    #[must_use]
    pub fn apply(&self, p: &Point) -> Point {
        std::array::from_fn(|i| dot(&self.rotation[i], p) + self.shift[i])
    }

    /// The motion that takes `mobile` onto `target` with the least squared distance (Kabsch, solved as Horn's quaternion).
    /// None for fewer than three pairs.
    #[must_use]
    pub fn superpose(mobile: &[Point], target: &[Point]) -> Option<Self> {
        if mobile.len() < 3 || mobile.len() != target.len() {
            return None;
        }
        let (from, to) = (centroid(mobile), centroid(target));
        let mut covariance = [[0.0; 3]; 3];
        for (m, t) in mobile.iter().zip(target) {
            for (i, row) in covariance.iter_mut().enumerate() {
                for (j, c) in row.iter_mut().enumerate() {
                    *c += (m[i] - from[i]) * (t[j] - to[j]);
                }
            }
        }
        let rotation = rotation_of(&largest_eigenvector(quaternion_form(&covariance)));
        let shift = std::array::from_fn(|i| to[i] - dot(&rotation[i], &from));
        Some(Self { rotation, shift })
    }

    /// Root of the mean squared distance between the moved `mobile` and `target`; 0 without points.
    #[must_use]
    pub fn rmsd(&self, mobile: &[Point], target: &[Point]) -> f64 {
        let sum: f64 = mobile.iter().zip(target).map(|(m, t)| squared_distance(&self.apply(m), t)).sum();
        (sum / mobile.len().max(1) as f64).sqrt()
    }
}

fn centroid(points: &[Point]) -> Point {
    std::array::from_fn(|i| points.iter().map(|p| p[i]).sum::<f64>() / points.len() as f64)
}

/// Horn's symmetric matrix, whose largest eigenvector is the best rotation as a quaternion (w, x, y, z).
fn quaternion_form(s: &[[f64; 3]; 3]) -> [[f64; 4]; 4] {
    let [[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]] = *s;
    [
        [xx + yy + zz, yz - zy, zx - xz, xy - yx],
        [yz - zy, xx - yy - zz, xy + yx, zx + xz],
        [zx - xz, xy + yx, yy - xx - zz, yz + zy],
        [xy - yx, zx + xz, yz + zy, zz - xx - yy],
    ]
}

/// Eigenvector of the largest eigenvalue, by Jacobi rotations.
fn largest_eigenvector(mut a: [[f64; 4]; 4]) -> [f64; 4] {
    let mut vectors = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
    for _ in 0..50 {
        let off: f64 = (0..4).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j] * a[i][j]).sum();
        if off < 1e-24 * (0..4).map(|i| a[i][i] * a[i][i]).sum::<f64>().max(f64::MIN_POSITIVE) {
            break;
        }
        for p in 0..3 {
            for q in p + 1..4 {
                rotate(&mut a, &mut vectors, p, q);
            }
        }
    }
    let best = (0..4).max_by(|&i, &j| a[i][i].total_cmp(&a[j][j])).unwrap_or(0);
    std::array::from_fn(|i| vectors[i][best])
}

/// One Jacobi rotation, which makes `a[p][q]` zero.
fn rotate(a: &mut [[f64; 4]; 4], vectors: &mut [[f64; 4]; 4], p: usize, q: usize) {
    if a[p][q] == 0.0 {
        return;
    }
    let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let cosine = 1.0 / (t * t + 1.0).sqrt();
    let sine = t * cosine;
    let turn = |x: f64, y: f64| (cosine * x - sine * y, sine * x + cosine * y);
    for row in a.iter_mut() {
        (row[p], row[q]) = turn(row[p], row[q]);
    }
    for k in 0..4 {
        (a[p][k], a[q][k]) = turn(a[p][k], a[q][k]);
        (vectors[k][p], vectors[k][q]) = turn(vectors[k][p], vectors[k][q]);
    }
}

fn rotation_of(&[w, x, y, z]: &[f64; 4]) -> [[f64; 3]; 3] {
    [
        [w * w + x * x - y * y - z * z, 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), w * w - x * x + y * y - z * z, 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]
}

/// Longest distance in Angstrom that `steps` residues can span, with the error of two positions.
#[must_use]
pub fn reach(steps: usize) -> f64 {
    3.8 * steps as f64 + 1.5
}

/// Radius in Angstrom within which unrelated residues of a complex lie.
pub const SURROUNDINGS: f64 = 60.0;

/// Log-odds that two Calphas `distance` apart are `steps` residues apart in one chain, against unrelated ones.
///
/// Mean distances follow 3.8 steps^0.62 up to 15 residues and steps^0.25 from there on, with a relative deviation of
/// 0.35 (measured on the validation structures).
#[must_use]
pub fn span_log_odds(distance: f64, steps: usize) -> f64 {
    if distance > reach(steps) {
        return f64::NEG_INFINITY;
    }
    let n = steps as f64;
    let mean = 3.8 * n.min(15.0).powf(0.62) * (n / 15.0).max(1.0).powf(0.25);
    let deviation = 0.35 * mean * (n / 3.0).min(1.0) + 0.3;
    let z = (distance - mean) / deviation;
    let chance = 3.0 * distance.max(1.0).powi(2) / SURROUNDINGS.powi(3);
    -0.5 * z * z - (deviation * (2.0 * std::f64::consts::PI).sqrt()).ln() - chance.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_a_planted_motion(
            points in prop::collection::vec(prop::array::uniform3(-20.0..20.0_f64), 4..40),
            q in prop::array::uniform4(-1.0..1.0_f64),
            shift in prop::array::uniform3(-50.0..50.0_f64),
        ) {
            let norm = q.iter().map(|v| v * v).sum::<f64>().sqrt();
            prop_assume!(norm > 0.1);
            let planted = Motion { rotation: rotation_of(&q.map(|v| v / norm)), shift };
            let moved: Vec<Point> = points.iter().map(|p| planted.apply(p)).collect();
            let found = Motion::superpose(&points, &moved).unwrap();
            prop_assert!(found.rmsd(&points, &moved) < 1e-5);
        }
    }

    #[test]
    fn two_points_are_too_few() {
        assert_eq!(Motion::superpose(&[[0.0; 3]; 2], &[[0.0; 3]; 2]), None);
    }

    #[test]
    fn a_mirror_image_does_not_superpose() {
        let points = [[0.0, 0.0, 0.0], [5.0, 0.0, 0.0], [0.0, 6.0, 0.0], [0.0, 0.0, 7.0]];
        let mirrored = points.map(|[x, y, z]| [x, y, -z]);
        assert!(Motion::superpose(&points, &mirrored).unwrap().rmsd(&points, &mirrored) > 1.0);
    }

    #[test]
    fn near_ends_are_more_likely_one_chain() {
        assert!(span_log_odds(5.8, 2) > 3.0);
        assert!(span_log_odds(40.0, 60) < span_log_odds(20.0, 60));
        assert!(span_log_odds(30.0, 5).is_infinite());
    }
}
