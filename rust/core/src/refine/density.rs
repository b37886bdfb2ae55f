//! The map as a smooth function of position.

use crate::volume::Volume;
use crate::{CoreError, Point};

use super::spline;

/// A map whose voxels are the coefficients of a cubic spline, which blurs it by 0.6 of a voxel.
#[derive(Debug, Clone, Copy)]
pub struct Density<'a> {
    volume: Volume<'a>,
    /// Voxel size in Angstrom.
    spacing: Point,
}

impl<'a> Density<'a> {
    /// The map of `volume`, whose voxel 0,0,0 lies at the origin.
    pub fn new(volume: Volume<'a>, spacing: Point) -> Result<Self, CoreError> {
        if !spacing.iter().all(|s| s.is_finite() && *s > 0.0) {
            return Err(CoreError::Invalid(format!("the voxel size must be positive, not {spacing:?}")));
        }
        Ok(Self { volume, spacing })
    }

    /// The map itself.
    #[must_use]
    pub fn volume(&self) -> &Volume<'a> {
        &self.volume
    }

    /// Voxel size in Angstrom.
    #[must_use]
    pub fn spacing(&self) -> Point {
        self.spacing
    }

    /// Value at a position in Angstrom, and its gradient; the map is 0 outside.
    #[must_use]
    pub fn at(&self, point: &Point) -> (f64, Point) {
        let place: Point = std::array::from_fn(|d| point[d] / self.spacing[d]);
        let corner = place.map(f64::floor);
        let (mut weights, mut slopes) = ([[0.0; 4]; 3], [[0.0; 4]; 3]);
        for d in 0..3 {
            weights[d] = spline::weights(place[d] - corner[d]);
            slopes[d] = spline::slopes(place[d] - corner[d]);
        }
        let first = corner.map(|v| v as i64 - 1);
        let (mut value, mut gradient) = (0.0, [0.0; 3]);
        for i in 0..4 {
            for j in 0..4 {
                let row = self.row([first[0] + i as i64, first[1] + j as i64, first[2]]);
                let along = |w: &[f64; 4]| (0..4).map(|k| w[k] * f64::from(row[k])).sum::<f64>();
                let (level, slope) = (along(&weights[2]), along(&slopes[2]));
                value += weights[0][i] * weights[1][j] * level;
                gradient[0] += slopes[0][i] * weights[1][j] * level;
                gradient[1] += weights[0][i] * slopes[1][j] * level;
                gradient[2] += weights[0][i] * weights[1][j] * slope;
            }
        }
        (value, std::array::from_fn(|d| gradient[d] / self.spacing[d]))
    }

    /// Four voxels along z.
    fn row(&self, first: [i64; 3]) -> [f32; 4] {
        let voxel = |k: i64| [first[0], first[1], first[2] + k];
        if let (Some(start), Some(_)) = (self.volume.index(voxel(0)), self.volume.index(voxel(3))) {
            return std::array::from_fn(|k| self.volume.value(start + k));
        }
        std::array::from_fn(|k| self.volume.index(voxel(k as i64)).map_or(0.0, |i| self.volume.value(i)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bumps() -> Vec<f32> {
        (0..8 * 9 * 10).map(|i| (i as f32 * 0.7).sin() + (i as f32 * 0.13).cos()).collect()
    }

    #[test]
    fn refuses_voxels_without_size() {
        let values = bumps();
        let volume = Volume::new(&values, [8, 9, 10]).unwrap();
        assert!(Density::new(volume, [1.0, 0.0, 1.0]).is_err());
        assert!(Density::new(volume, [1.0, f64::NAN, 1.0]).is_err());
    }

    #[test]
    fn a_constant_stays_one_and_outside_is_zero() {
        let values = vec![3.0; 8 * 9 * 10];
        let density = Density::new(Volume::new(&values, [8, 9, 10]).unwrap(), [1.0; 3]).unwrap();
        let (value, gradient) = density.at(&[3.3, 4.1, 5.2]);
        assert!((value - 3.0).abs() < 1e-12 && gradient.iter().all(|g| g.abs() < 1e-12));
        assert_eq!(density.at(&[30.0, -40.0, 1e12]), (0.0, [0.0; 3]));
    }

    proptest! {
        #[test]
        fn gradient_is_that_of_the_value(point in prop::array::uniform3(-1.0..9.0_f64)) {
            let values = bumps();
            let density = Density::new(Volume::new(&values, [8, 9, 10]).unwrap(), [0.8, 1.0, 1.3]).unwrap();
            let (_, gradient) = density.at(&point);
            for axis in 0..3 {
                let at = |h: f64| {
                    let mut moved = point;
                    moved[axis] += h;
                    density.at(&moved).0
                };
                prop_assert!((gradient[axis] - (at(1e-5) - at(-1e-5)) / 2e-5).abs() < 1e-5);
            }
        }
    }
}
