//! How well a model with one B factor per residue correlates with a map, and how that changes with the B factors.

use rayon::prelude::*;

use crate::volume::Volume;
use crate::{CoreError, Monitor, Point};

/// Radial densities of kinds of atoms, read between equal steps of B factor and squared distance, both from 0.
#[derive(Debug, Clone, Copy)]
pub struct Profiles<'a> {
    values: &'a [f32],
    shape: [usize; 3],
    b_step: f64,
    square_step: f64,
}

impl<'a> Profiles<'a> {
    /// `values` by kind, B factor and squared distance.
    pub fn new(values: &'a [f32], shape: [usize; 3], b_step: f64, square_step: f64) -> Result<Self, CoreError> {
        let positive = |step: f64| step.is_finite() && step > 0.0;
        if values.len() != shape.iter().product::<usize>() || shape[1] < 2 || shape[2] < 2 {
            return Err(CoreError::Invalid(format!("{} values do not fill profiles of {shape:?}", values.len())));
        }
        if !positive(b_step) || !positive(square_step) {
            return Err(CoreError::Invalid("steps of profiles must be positive".into()));
        }
        Ok(Self { values, shape, b_step, square_step })
    }

    /// Squared distance from which there is no density.
    fn end(&self) -> f64 {
        (self.shape[2] - 1) as f64 * self.square_step
    }

    /// The two rows around a B factor, and how far it is from the first to the second.
    fn around(&self, kind: usize, b_factor: f64) -> Rows<'a> {
        let place = (b_factor / self.b_step).clamp(0.0, (self.shape[1] - 1) as f64);
        let low = (place as usize).min(self.shape[1] - 2);
        let start = (kind * self.shape[1] + low) * self.shape[2];
        let row = |at: usize| &self.values[at..at + self.shape[2]];
        Rows { low: row(start), high: row(start + self.shape[2]), part: place - low as f64 }
    }
}

/// The density of one atom lies between two rows of the profiles.
struct Rows<'a> {
    low: &'a [f32],
    high: &'a [f32],
    part: f64,
}

impl Rows<'_> {
    /// The density at both rows, at a place along them.
    fn at(&self, place: f64) -> (f64, f64) {
        let index = (place as usize).min(self.low.len() - 2);
        let part = place - index as f64;
        let read = |row: &[f32]| f64::from(row[index]) * (1.0 - part) + f64::from(row[index + 1]) * part;
        (read(self.low), read(self.high))
    }

    fn density(&self, place: f64) -> f64 {
        let (low, high) = self.at(place);
        low + self.part * (high - low)
    }
}

/// An atom: where it is from voxel 0, 0, 0 in Angstrom, which profile it has, and its residue.
#[derive(Debug, Clone, Copy)]
pub struct Atom {
    pub point: Point,
    pub kind: usize,
    pub residue: usize,
}

/// A map, the voxels that count, and the atoms in it.
pub struct Fit<'a> {
    map: Volume<'a>,
    inside: &'a [bool],
    spacing: Point,
    atoms: &'a [Atom],
    profiles: Profiles<'a>,
}

/// What decides the correlation of the model's density with the map.
struct Moments {
    count: f64,
    model_mean: f64,
    map_mean: f64,
    model_variance: f64,
    covariance: f64,
    map_variance: f64,
}

impl Moments {
    fn correlation(&self) -> f64 {
        let spread = (self.model_variance * self.map_variance).sqrt();
        if spread > 0.0 { self.covariance / spread } else { 0.0 }
    }

    /// Change of the correlation with the model's density at a voxel.
    fn slope(&self, model: f64, map: f64) -> f64 {
        let spread = (self.model_variance * self.map_variance).sqrt();
        if spread <= 0.0 {
            return 0.0;
        }
        let along = (model - self.model_mean) * self.covariance / self.model_variance;
        (map - self.map_mean - along) / (self.count * spread)
    }
}

impl<'a> Fit<'a> {
    /// Fails when shapes or indices do not fit.
    pub fn new(
        map: Volume<'a>,
        inside: &'a [bool],
        spacing: Point,
        atoms: &'a [Atom],
        profiles: Profiles<'a>,
    ) -> Result<Self, CoreError> {
        if inside.len() != map.len() {
            return Err(CoreError::Invalid("map and mask must have the same shape".into()));
        }
        if !spacing.iter().all(|s| s.is_finite() && *s > 0.0) {
            return Err(CoreError::Invalid("spacing must be positive".into()));
        }
        if atoms.iter().any(|atom| atom.kind >= profiles.shape[0]) {
            return Err(CoreError::Invalid("an atom has no profile".into()));
        }
        Ok(Self { map, inside, spacing, atoms, profiles })
    }

    /// The correlation over the voxels that count, and its change with every B factor.
    pub fn evaluate(&self, b_factors: &[f64], monitor: &Monitor) -> Result<(f64, Vec<f64>), CoreError> {
        if self.atoms.iter().any(|atom| atom.residue >= b_factors.len()) {
            return Err(CoreError::Invalid("an atom has no B factor".into()));
        }
        let model = self.density(b_factors, monitor)?;
        let moments = self.moments(&model);
        let mut of_residue = vec![Vec::new(); b_factors.len()];
        for atom in self.atoms {
            of_residue[atom.residue].push(atom);
        }
        let slope = |(residue, atoms): (usize, &Vec<&Atom>)| {
            monitor.check()?;
            Ok(atoms.iter().map(|atom| self.slope(atom, b_factors[residue], &model, &moments)).sum())
        };
        let slopes: Result<Vec<f64>, CoreError> = of_residue.par_iter().enumerate().map(slope).collect();
        Ok((moments.correlation(), slopes?))
    }

    /// The model's density at the voxels that count, plane by plane.
    fn density(&self, b_factors: &[f64], monitor: &Monitor) -> Result<Vec<f32>, CoreError> {
        let [planes, ..] = self.map.shape();
        let mut of_plane = vec![Vec::new(); planes];
        for atom in self.atoms {
            for x in self.range(0, atom.point[0], self.profiles.end().sqrt()) {
                of_plane[x].push(atom);
            }
        }
        let mut model = vec![0.0_f32; self.map.len()];
        let size = (self.map.len() / planes.max(1)).max(1);
        let fill = |(x, plane): (usize, &mut [f32])| {
            monitor.check()?;
            for atom in &of_plane[x] {
                let rows = self.profiles.around(atom.kind, b_factors[atom.residue]);
                self.visit_plane(x, atom, |index, place| plane[index - x * size] += rows.density(place) as f32);
            }
            Ok(())
        };
        model.par_chunks_mut(size).enumerate().try_for_each(fill)?;
        Ok(model)
    }

    /// How the correlation changes with the B factor of one atom.
    fn slope(&self, atom: &Atom, b_factor: f64, model: &[f32], moments: &Moments) -> f64 {
        let rows = self.profiles.around(atom.kind, b_factor);
        let mut sum = 0.0;
        for x in self.range(0, atom.point[0], self.profiles.end().sqrt()) {
            self.visit_plane(x, atom, |index, place| {
                let (low, high) = rows.at(place);
                sum += (high - low) * moments.slope(f64::from(model[index]), f64::from(self.map.value(index)));
            });
        }
        sum / self.profiles.b_step
    }

    /// Calls `see` with every voxel of a plane that counts and that the atom reaches, and its place along the profile.
    fn visit_plane(&self, x: usize, atom: &Atom, mut see: impl FnMut(usize, f64)) {
        let [_, ny, nz] = self.map.shape();
        let left = self.profiles.end() - self.square(0, x, &atom.point);
        for y in self.range(1, atom.point[1], left.max(0.0).sqrt()) {
            let rest = left - self.square(1, y, &atom.point);
            for z in self.range(2, atom.point[2], rest.max(0.0).sqrt()) {
                let (index, beyond) = ((x * ny + y) * nz + z, rest - self.square(2, z, &atom.point));
                if self.inside[index] && beyond > 0.0 {
                    see(index, (self.profiles.end() - beyond) / self.profiles.square_step);
                }
            }
        }
    }

    /// Indices of the voxels along an axis within a distance of a coordinate.
    fn range(&self, axis: usize, at: f64, reach: f64) -> std::ops::Range<usize> {
        let last = self.map.shape()[axis] as f64;
        let low = ((at - reach) / self.spacing[axis]).ceil().clamp(0.0, last);
        let high = ((at + reach) / self.spacing[axis]).floor().clamp(-1.0, last - 1.0);
        low as usize..(high + 1.0) as usize
    }

    fn square(&self, axis: usize, voxel: usize, point: &Point) -> f64 {
        (voxel as f64 * self.spacing[axis] - point[axis]).powi(2)
    }

    fn moments(&self, model: &[f32]) -> Moments {
        let pairs = || {
            let chosen = (0..model.len()).filter(|&i| self.inside[i]);
            chosen.map(|i| (f64::from(model[i]), f64::from(self.map.value(i))))
        };
        let count = (pairs().count() as f64).max(1.0);
        let sums = pairs().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
        let (model_mean, map_mean) = (sums.0 / count, sums.1 / count);
        let centred = pairs().map(|(x, y)| (x - model_mean, y - map_mean));
        let squares = centred.fold((0.0, 0.0, 0.0), |(a, b, c), (x, y)| (a + x * x, b + x * y, c + y * y));
        Moments {
            count,
            model_mean,
            map_mean,
            model_variance: squares.0 / count,
            covariance: squares.1 / count,
            map_variance: squares.2 / count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [11, 12, 13];
    const PROFILES: [usize; 3] = [2, 9, 120];
    const STEPS: (f64, f64) = (20.0, 0.1);

    /// Gaussians whose width grows with the B factor.
    fn gaussians() -> Vec<f32> {
        let value = |kind: usize, b: usize, square: usize| {
            let width = 0.4 + 0.02 * b as f64 * STEPS.0;
            ((kind + 1) as f64 * (-(square as f64) * STEPS.1 / width).exp() / width.powf(1.5)) as f32
        };
        let (kinds, rows, places) = (0..PROFILES[0], PROFILES[1], PROFILES[2]);
        kinds.flat_map(|k| (0..rows).flat_map(move |b| (0..places).map(move |s| value(k, b, s)))).collect()
    }

    fn atoms() -> Vec<Atom> {
        let atom = |(i, point): (usize, Point)| Atom { point, kind: i % 2, residue: i / 2 };
        let points = [[4.0, 5.1, 6.2], [5.3, 5.5, 6.0], [6.4, 6.2, 4.8], [7.0, 4.9, 5.5], [-1.0, 3.0, 5.0]];
        points.into_iter().enumerate().map(atom).collect()
    }

    fn noise() -> Vec<f32> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / 1e7
        };
        (0..SHAPE.iter().product()).map(|_| next()).collect()
    }

    #[test]
    fn slopes_are_finite_differences() {
        let (table, map, atoms) = (gaussians(), noise(), atoms());
        let inside: Vec<bool> = (0..map.len()).map(|i| i % 5 != 0).collect();
        let profiles = Profiles::new(&table, PROFILES, STEPS.0, STEPS.1).unwrap();
        let fit = Fit::new(Volume::new(&map, SHAPE).unwrap(), &inside, [1.0, 0.9, 1.1], &atoms, profiles).unwrap();
        let b_factors = [33.0, 71.0, 115.0];
        let (_, slopes) = fit.evaluate(&b_factors, &Monitor::default()).unwrap();
        for residue in 0..3 {
            let at = |step: f64| {
                let mut moved = b_factors;
                moved[residue] += step;
                fit.evaluate(&moved, &Monitor::default()).unwrap().0
            };
            let expected = (at(2.0) - at(-2.0)) / 4.0;
            assert!((slopes[residue] - expected).abs() < 1e-6 + 0.02 * expected.abs(), "{slopes:?} {expected}");
        }
    }

    #[test]
    fn own_density_is_a_maximum() {
        let (table, atoms) = (gaussians(), atoms());
        let inside = vec![true; SHAPE.iter().product()];
        let profiles = Profiles::new(&table, PROFILES, STEPS.0, STEPS.1).unwrap();
        let blank = vec![0.0; inside.len()];
        let own = [45.0, 90.0, 60.0];
        let empty = Fit::new(Volume::new(&blank, SHAPE).unwrap(), &inside, [1.0; 3], &atoms, profiles).unwrap();
        let map = empty.density(&own, &Monitor::default()).unwrap();
        let fit = Fit::new(Volume::new(&map, SHAPE).unwrap(), &inside, [1.0; 3], &atoms, profiles).unwrap();
        let (best, slopes) = fit.evaluate(&own, &Monitor::default()).unwrap();
        assert!((best - 1.0).abs() < 1e-6);
        assert!(slopes.iter().all(|s| s.abs() < 1e-6), "{slopes:?}");
        assert!(fit.evaluate(&[45.0, 60.0, 60.0], &Monitor::default()).unwrap().0 < best - 1e-3);
        assert!(empty.evaluate(&own, &Monitor::default()).unwrap().0.abs() < 1e-12, "no contrast, no correlation");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (table, map, atoms) = (gaussians(), noise(), atoms());
        let inside = vec![true; map.len()];
        let profiles = Profiles::new(&table, PROFILES, STEPS.0, STEPS.1).unwrap();
        let volume = Volume::new(&map, SHAPE).unwrap();
        assert!(Profiles::new(&table, [2, 1, 540], 1.0, 1.0).is_err());
        assert!(Profiles::new(&table, PROFILES, 0.0, 1.0).is_err());
        assert!(Fit::new(volume, &inside[1..], [1.0; 3], &atoms, profiles).is_err());
        assert!(Fit::new(volume, &inside, [0.0; 3], &atoms, profiles).is_err());
        let strange = [Atom { kind: 2, ..atoms[0] }];
        assert!(Fit::new(volume, &inside, [1.0; 3], &strange, profiles).is_err());
        let fit = Fit::new(volume, &inside, [1.0; 3], &atoms, profiles).unwrap();
        assert!(fit.evaluate(&[10.0], &Monitor::default()).is_err());
    }
}
