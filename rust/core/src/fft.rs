//! Fourier transforms of real volumes, line by line with `rustfft`.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

use crate::CoreError;

/// Lines that are gathered and transformed together.
const BLOCK: usize = 16;

/// A coefficient of a transform.
pub type Coefficient = Complex<f32>;
/// Forward and back.
type BothWays = (Arc<dyn Fft<f32>>, Arc<dyn Fft<f32>>);

/// The transforms of volumes of one shape, indexed `[x, y, z]` in C order. Neither way is scaled.
pub struct Transform {
    shape: [usize; 3],
    along_z: (Arc<dyn RealToComplex<f32>>, Arc<dyn ComplexToReal<f32>>),
    along_xy: [BothWays; 2],
}

/// The smallest number that is at least `n` and has no prime factor beyond 5; even, as a line along z has to be.
#[must_use]
pub fn good_length(n: usize) -> usize {
    let smooth = |mut m: usize| {
        for p in [2, 3, 5] {
            while m.is_multiple_of(p) {
                m /= p;
            }
        }
        m == 1
    };
    (n.max(2)..=2 * n.max(2)).find(|&m| m.is_multiple_of(2) && smooth(m)).unwrap_or(n)
}

impl Transform {
    /// The transforms of volumes of this shape.
    #[must_use]
    pub fn new(shape: [usize; 3]) -> Self {
        let (mut real, mut complex) = (RealFftPlanner::new(), FftPlanner::new());
        let mut both = |n: usize| (complex.plan_fft_forward(n), complex.plan_fft_inverse(n));
        let along_xy = [both(shape[0]), both(shape[1])];
        Self { shape, along_z: (real.plan_fft_forward(shape[2]), real.plan_fft_inverse(shape[2])), along_xy }
    }

    /// Number of values of a volume.
    #[must_use]
    pub fn values(&self) -> usize {
        self.shape.iter().product()
    }

    /// Coefficients along z; the others follow by symmetry.
    fn depth(&self) -> usize {
        self.shape[2] / 2 + 1
    }

    /// Number of coefficients.
    #[must_use]
    pub fn coefficients(&self) -> usize {
        self.shape[0] * self.shape[1] * self.depth()
    }

    /// The coefficients of `volume`, which is used up. Lines and planes of zeros, as a small body in a large box leaves
    /// them, cost nothing.
    pub fn forward(&self, volume: &mut [f32], found: &mut [Coefficient]) -> Result<(), CoreError> {
        let [_, ny, nz] = self.shape;
        found.fill(Coefficient::default());
        let lines = volume.chunks_exact_mut(nz).zip(found.chunks_exact_mut(self.depth()));
        for (line, into) in lines.filter(|(line, _)| line.iter().any(|v| *v != 0.0)) {
            self.along_z.0.process(line, into).map_err(|error| broken(&error))?;
        }
        for plane in found.chunks_exact_mut(ny * self.depth()) {
            if plane.iter().any(|c| *c != Coefficient::default()) {
                along(&*self.along_xy[1].0, plane, self.depth());
            }
        }
        along(&*self.along_xy[0].0, found, ny * self.depth());
        Ok(())
    }

    /// The volume of `coefficients`, which are used up.
    pub fn inverse(&self, coefficients: &mut [Coefficient], volume: &mut [f32]) -> Result<(), CoreError> {
        let [_, ny, nz] = self.shape;
        along(&*self.along_xy[0].1, coefficients, ny * self.depth());
        for plane in coefficients.chunks_exact_mut(ny * self.depth()) {
            along(&*self.along_xy[1].1, plane, self.depth());
        }
        for (line, into) in coefficients.chunks_exact_mut(self.depth()).zip(volume.chunks_exact_mut(nz)) {
            line[0].im = 0.0; // real by symmetry, up to rounding
            line[self.depth() - 1].im = 0.0;
            self.along_z.1.process(line, into).map_err(|error| broken(&error))?;
        }
        Ok(())
    }
}

fn broken(error: &realfft::FftError) -> CoreError {
    CoreError::Invalid(format!("the Fourier transform refused its volume: {error}"))
}

/// Transforms the lines whose values lie `stride` apart in `values`.
fn along(transform: &dyn Fft<f32>, values: &mut [Coefficient], stride: usize) {
    let length = transform.len();
    let mut block = vec![Coefficient::default(); BLOCK * length];
    let mut scratch = vec![Coefficient::default(); transform.get_inplace_scratch_len()];
    for first in (0..stride).step_by(BLOCK) {
        let count = BLOCK.min(stride - first);
        let lines = &mut block[..count * length];
        for (i, row) in values.chunks_exact(stride).enumerate() {
            for (k, value) in row[first..first + count].iter().enumerate() {
                lines[k * length + i] = *value;
            }
        }
        transform.process_with_scratch(lines, &mut scratch);
        for (i, row) in values.chunks_exact_mut(stride).enumerate() {
            for (k, value) in row[first..first + count].iter_mut().enumerate() {
                *value = lines[k * length + i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_the_volume_times_its_size() {
        let transform = Transform::new([5, 6, 8]);
        let volume: Vec<f32> = (0..240_u16).map(|i| f32::from(i * 37 % 101)).collect();
        let mut found = vec![Coefficient::default(); transform.coefficients()];
        let mut back = vec![0.0; 240];
        transform.forward(&mut volume.clone(), &mut found).unwrap();
        transform.inverse(&mut found, &mut back).unwrap();
        assert!(volume.iter().zip(&back).all(|(a, b)| (a * 240.0 - b).abs() < 0.05));
    }

    #[test]
    fn coefficients_are_the_sums_of_the_definition() {
        let transform = Transform::new([3, 4, 6]);
        let mut volume = vec![0.0; 72];
        (volume[7], volume[31]) = (1.0, -2.0);
        let mut found = vec![Coefficient::default(); transform.coefficients()];
        transform.forward(&mut volume.clone(), &mut found).unwrap();
        for (n, c) in found.iter().enumerate() {
            let (i, j, k) = (n / 16, n / 4 % 4, n % 4);
            let wave = |v: usize| {
                let (x, y, z) = (v / 24, v / 6 % 4, v % 6);
                let part = (i * x) as f32 / 3.0 + (j * y) as f32 / 4.0 + (k * z) as f32 / 6.0;
                Coefficient::from_polar(volume[v], -std::f32::consts::TAU * part)
            };
            assert!((wave(7) + wave(31) - c).norm() < 1e-5);
        }
    }

    #[test]
    fn good_lengths_are_smooth_and_even() {
        assert_eq!([1, 7, 17, 49, 127].map(good_length), [2, 8, 18, 50, 128]);
    }
}
