//! Calpha candidates: one per peak of the Calpha probability, placed between the voxels.

use rayon::prelude::*;

use crate::volume::Volume;
use crate::{CoreError, Monitor, Point};

/// Number of amino-acid types.
pub const TYPES: usize = 20;

/// Amino-acid probabilities of one voxel or candidate.
pub type Types = [f32; TYPES];

/// What is known of a voxel without amino-acid probabilities.
const UNKNOWN: Types = [1.0 / TYPES as f32; TYPES];

/// Suppression radii beyond this many Angstrom make no sense and would only waste time.
const LARGEST_RADIUS: f64 = 20.0;

/// The local maxima among `voxels`, which are ascending flat indices: no voxel within `radius` is better.
///
/// A voxel on the shoulder of a peak is no candidate, however far from the peak. Of equal voxels within `radius`
/// the first stays.
pub fn find_peaks(
    ca_prob: &Volume<'_>,
    voxels: &[usize],
    radius: f64,
    monitor: &Monitor,
) -> Result<Vec<usize>, CoreError> {
    check_voxels(ca_prob, voxels)?;
    if !(0.0..=LARGEST_RADIUS).contains(&radius) {
        return Err(CoreError::Invalid(format!("the radius must lie in 0 to {LARGEST_RADIUS} A, not {radius}")));
    }
    let ball = Ball::new(ca_prob, radius);
    monitor.begin(voxels.len());
    let keep_highest = |&voxel: &usize| {
        monitor.advance(1)?;
        let highest = ball.around(voxel).all(|other| ca_prob.value(other) <= ca_prob.value(voxel));
        Ok(highest.then_some(voxel))
    };
    let highest = voxels.par_iter().filter_map(|voxel| keep_highest(voxel).transpose());
    Ok(first_of_equals(&ball, &highest.collect::<Result<Vec<_>, CoreError>>()?))
}

/// Neighbours that are both local maxima are equal: drops those that have a kept one before them.
fn first_of_equals(ball: &Ball<'_>, highest: &[usize]) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for &voxel in highest {
        if !ball.around(voxel).any(|other| kept.binary_search(&other).is_ok()) {
            kept.push(voxel);
        }
    }
    kept
}

/// The voxels within a radius of a voxel.
struct Ball<'a> {
    volume: &'a Volume<'a>,
    shifts: Vec<[i64; 3]>,
}

impl<'a> Ball<'a> {
    fn new(volume: &'a Volume<'a>, radius: f64) -> Self {
        let reach = radius as i64;
        let inside = |s: &[i64; 3]| s.iter().map(|v| v * v).sum::<i64>() as f64 <= radius * radius;
        Self { volume, shifts: cube(reach).filter(inside).collect() }
    }

    fn around(&self, voxel: usize) -> impl Iterator<Item = usize> {
        let centre = self.volume.voxel(voxel);
        self.shifts.iter().filter_map(move |shift| self.volume.index(moved(centre, *shift)))
    }
}

/// Shifts of -`reach` to `reach` voxels along every axis.
fn cube(reach: i64) -> impl Iterator<Item = [i64; 3]> {
    let axis = -reach..=reach;
    let plane = axis.clone().flat_map(move |x| (-reach..=reach).map(move |y| [x, y]));
    plane.flat_map(move |[x, y]| axis.clone().map(move |z| [x, y, z]))
}

fn moved(voxel: [i64; 3], shift: [i64; 3]) -> [i64; 3] {
    [voxel[0] + shift[0], voxel[1] + shift[1], voxel[2] + shift[2]]
}

fn check_voxels(volume: &Volume<'_>, voxels: &[usize]) -> Result<(), CoreError> {
    if voxels.is_sorted_by(|a, b| a < b) && voxels.last().is_none_or(|&v| v < volume.len()) {
        return Ok(());
    }
    Err(CoreError::Invalid("voxels must ascend and lie inside the volume".into()))
}

/// Amino-acid probabilities of the voxels that have them.
#[derive(Debug)]
pub struct TypeVoxels<'a> {
    voxels: &'a [i64],
    prob: &'a [f32],
}

impl<'a> TypeVoxels<'a> {
    /// `prob` holds 20 values for each of `voxels`, which are ascending flat indices of a volume.
    pub fn new(voxels: &'a [i64], prob: &'a [f32]) -> Result<Self, CoreError> {
        if prob.len() != voxels.len() * TYPES {
            return Err(CoreError::Invalid(format!("{} voxels have {} type values", voxels.len(), prob.len())));
        }
        if !voxels.is_sorted_by(|a, b| a < b) {
            return Err(CoreError::Invalid("type_voxels must ascend".into()));
        }
        Ok(Self { voxels, prob })
    }

    fn at(&self, voxel: usize) -> &[f32] {
        match self.voxels.binary_search(&(voxel as i64)) {
            Ok(i) => &self.prob[i * TYPES..(i + 1) * TYPES],
            Err(_) => &UNKNOWN,
        }
    }
}

/// Candidates at the centroids of their 3x3x3 voxels, weighted by the Calpha probability (eq. 10).
///
/// Returns grid positions, and the amino-acid probabilities averaged over the same voxels with the same weights.
pub fn refine(
    ca_prob: &Volume<'_>,
    types: &TypeVoxels<'_>,
    voxels: &[usize],
    monitor: &Monitor,
) -> Result<(Vec<Point>, Vec<Types>), CoreError> {
    check_voxels(ca_prob, voxels)?;
    monitor.begin(voxels.len());
    let place = |&voxel: &usize| {
        monitor.advance(1)?;
        let window = Window::new(ca_prob, voxel);
        Ok((window.centroid(), window.types(types)))
    };
    Ok(voxels.par_iter().map(place).collect::<Result<Vec<_>, CoreError>>()?.into_iter().unzip())
}

/// The voxels around a candidate, with weights that sum to 1.
struct Window {
    voxels: Vec<(usize, Point, f64)>,
}

impl Window {
    fn new(ca_prob: &Volume<'_>, centre: usize) -> Self {
        let voxel = ca_prob.voxel(centre);
        let around = cube(1).map(|shift| moved(voxel, shift));
        let weigh = |v: [i64; 3]| ca_prob.index(v).map(|i| (i, v.map(|x| x as f64), f64::from(ca_prob.value(i))));
        let weighted: Vec<_> = around.filter_map(weigh).collect();
        let total: f64 = weighted.iter().map(|v| v.2).sum();
        if total <= 0.0 {
            return Self { voxels: vec![(centre, voxel.map(|v| v as f64), 1.0)] };
        }
        Self { voxels: weighted.into_iter().map(|(i, p, w)| (i, p, w / total)).collect() }
    }

    fn centroid(&self) -> Point {
        [0, 1, 2].map(|d| self.voxels.iter().map(|(_, p, w)| p[d] * w).sum())
    }

    fn types(&self, types: &TypeVoxels<'_>) -> Types {
        let mut mean = [0.0_f64; TYPES];
        for (i, _, w) in &self.voxels {
            for (sum, p) in mean.iter_mut().zip(types.at(*i)) {
                *sum += w * f64::from(*p);
            }
        }
        mean.map(|v| v as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peaks_of_line(values: &[f32], radius: f64) -> Vec<usize> {
        let volume = Volume::new(values, [1, 1, values.len()]).unwrap();
        let voxels: Vec<usize> = (0..values.len()).collect();
        find_peaks(&volume, &voxels, radius, &Monitor::default()).unwrap()
    }

    #[test]
    fn a_shoulder_is_no_peak() {
        assert_eq!(peaks_of_line(&[0.1, 0.9, 0.8, 0.7, 0.3, 0.4], 1.0), [1, 5]);
    }

    #[test]
    fn a_plateau_keeps_every_other_voxel() {
        assert_eq!(peaks_of_line(&[0.5; 5], 1.0), [0, 2, 4]);
    }

    #[test]
    fn a_window_at_the_edge_is_cut() {
        let mut values = vec![0.0; 27];
        values[0] = 0.5;
        values[1] = 0.5;
        let volume = Volume::new(&values, [3, 3, 3]).unwrap();
        let known = TypeVoxels { voxels: &[], prob: &[] };
        let (positions, types) = refine(&volume, &known, &[0], &Monitor::default()).unwrap();
        assert_eq!(positions, [[0.0, 0.0, 0.5]]);
        assert_eq!(types, [UNKNOWN]);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let values = [0.0; 8];
        let volume = Volume::new(&values, [2, 2, 2]).unwrap();
        let known = TypeVoxels { voxels: &[], prob: &[] };
        assert!(refine(&volume, &known, &[8], &Monitor::default()).is_err());
        assert!(TypeVoxels::new(&[1, 0], &[0.0; 40]).is_err());
        assert!(TypeVoxels::new(&[1], &[0.0; 19]).is_err());
        assert!(find_peaks(&volume, &[1, 0], 1.0, &Monitor::default()).is_err());
        assert!(find_peaks(&volume, &[0], f64::INFINITY, &Monitor::default()).is_err());
    }
}
