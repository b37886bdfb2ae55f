//! Calpha candidates: one per peak of the Calpha probability, placed between the voxels.

use rayon::prelude::*;

use crate::cells::{Cells, squared_distance};
use crate::volume::Volume;
use crate::{CoreError, Monitor, Point};

/// Number of amino-acid types.
pub const TYPES: usize = 20;

/// Amino-acid probabilities of one voxel or candidate.
pub type Types = [f32; TYPES];

/// What is known of a voxel without amino-acid probabilities.
const UNKNOWN: Types = [1.0 / TYPES as f32; TYPES];

/// Indices of the points that survive non-maximum suppression, ascending.
///
/// Greedy: the best remaining point stays and all others within `radius` of it go. Equal scores: the lower index
/// is the better point.
pub fn suppress(points: &[Point], scores: &[f32], radius: f64, monitor: &Monitor) -> Result<Vec<usize>, CoreError> {
    if points.len() != scores.len() {
        return Err(CoreError::Invalid(format!("{} points have {} scores", points.len(), scores.len())));
    }
    let cells = Cells::new(points, radius)?;
    let mut best_first: Vec<usize> = (0..points.len()).collect();
    best_first.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]));
    let mut alive = vec![true; points.len()];
    monitor.begin(points.len());
    for i in best_first {
        monitor.advance(1)?;
        if alive[i] {
            let rivals = cells.near(&points[i], 1).filter(|&j| j != i);
            for j in rivals.filter(|&j| squared_distance(&points[i], &points[j]) <= radius * radius) {
                alive[j] = false;
            }
        }
    }
    Ok((0..points.len()).filter(|&i| alive[i]).collect())
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
    if voxels.iter().any(|&v| v >= ca_prob.len()) {
        return Err(CoreError::Invalid("voxels must lie inside the volume".into()));
    }
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
        let [x, y, z] = ca_prob.voxel(centre);
        let shifts = (-1..=1).flat_map(|i| (-1..=1).flat_map(move |j| (-1..=1).map(move |k| [x + i, y + j, z + k])));
        let inside = shifts.filter_map(|voxel| ca_prob.index(voxel).map(|i| (i, voxel.map(|v| v as f64))));
        let weighted: Vec<_> = inside.map(|(i, p)| (i, p, f64::from(ca_prob.value(i)))).collect();
        let total: f64 = weighted.iter().map(|v| v.2).sum();
        if total <= 0.0 {
            return Self { voxels: vec![(centre, [x, y, z].map(|v| v as f64), 1.0)] };
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

    #[test]
    fn the_best_of_a_crowd_stays() {
        let points: Vec<Point> = [0.0, 1.0, 2.0, 3.0].map(|x| [x, 0.0, 0.0]).to_vec();
        let kept = |scores: &[f32]| suppress(&points, scores, 1.0, &Monitor::default()).unwrap();
        assert_eq!(kept(&[0.1, 0.9, 0.8, 0.2]), [1, 3]);
        assert_eq!(kept(&[0.5; 4]), [0, 2]);
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
        assert!(suppress(&[[0.0; 3]], &[], 1.0, &Monitor::default()).is_err());
    }
}
