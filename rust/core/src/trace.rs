//! Calphas of one run put at the distances of a protein chain, as near as possible to where they were.

use crate::Point;
use crate::chemistry;
use crate::vectors::{difference, length, scaled, sum};

/// Distances of consecutive Calphas in Angstrom.
pub const TRANS: f64 = 3.807;
pub const CIS: f64 = 2.942;
/// How far a distance may be from these.
const TOLERANCE: f64 = 0.06;
/// Distances that Calphas two residues apart may have.
const NEXT_BUT_ONE: [f64; 2] = [5.0, 7.3];
/// Share of cis peptides before proline; before others, of which 0.0003 are, a misplaced Calpha is always likelier.
const CIS_PROLINE: f64 = 0.05;
/// Least deviation of distances, in Angstrom.
const EXACT: f64 = 0.03;
/// Rounds of corrections, and the part of the way back that the first goes; later ones go less.
const ROUNDS: usize = 60;
const PULL: f64 = 0.1;

/// The Calphas of a run, regular.
#[derive(Debug, Clone)]
pub struct Trace {
    pub calphas: Vec<Point>,
    /// Whether the peptide after each residue but the last is cis.
    pub cis: Vec<bool>,
    /// How far distances were from regular ones, in Angstrom (robust standard deviation).
    pub error: f64,
}

impl Trace {
    /// Makes the Calphas of residues of `types` regular.
    #[must_use]
    pub fn regular(calphas: &[Point], types: &[u8]) -> Self {
        let distances: Vec<f64> = calphas.windows(2).map(|pair| length(&difference(&pair[1], &pair[0]))).collect();
        let error = deviation(&distances).max(EXACT);
        let cis: Vec<bool> =
            distances.iter().zip(&types[1.min(types.len())..]).map(|(&d, &next)| is_cis(d, next, error)).collect();
        let mut moved = calphas.to_vec();
        for round in 0..ROUNDS {
            let pull = PULL * (1.0 - round as f64 / ROUNDS as f64);
            for (point, given) in moved.iter_mut().zip(calphas) {
                *point = sum(&scaled(point, 1.0 - pull), &scaled(given, pull));
            }
            for i in 0..moved.len().saturating_sub(2) {
                correct(&mut moved, i, i + 2, NEXT_BUT_ONE);
            }
            for (i, &cis) in cis.iter().enumerate() {
                let ideal = if cis { CIS } else { TRANS };
                correct(&mut moved, i, i + 1, [ideal - TOLERANCE, ideal + TOLERANCE]);
            }
        }
        Self { calphas: moved, cis, error }
    }
}

/// Robust standard deviation of distances from the trans one.
fn deviation(distances: &[f64]) -> f64 {
    let mut off: Vec<f64> = distances.iter().map(|d| (d - TRANS).abs()).collect();
    off.sort_by(f64::total_cmp);
    off.get(off.len() / 2).map_or(0.0, |median| 1.48 * median)
}

/// Whether cis is more likely than trans at a distance with this error.
fn is_cis(distance: f64, next: u8, error: f64) -> bool {
    let proline = chemistry::type_of('P') == Some(usize::from(next));
    let squares = (distance - TRANS).powi(2) - (distance - CIS).powi(2);
    proline && squares / (2.0 * error * error) + (CIS_PROLINE / (1.0 - CIS_PROLINE)).ln() > 0.0
}

/// Moves two points by equal parts until their distance is within `range`.
fn correct(points: &mut [Point], i: usize, j: usize, [shortest, longest]: [f64; 2]) {
    let step = difference(&points[j], &points[i]);
    let distance = length(&step);
    let wanted = distance.clamp(shortest, longest);
    if distance > 1e-6 && (wanted - distance).abs() > 0.0 {
        let half = scaled(&step, 0.5 * (wanted - distance) / distance);
        points[i] = difference(&points[i], &half);
        points[j] = sum(&points[j], &half);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zigzag(steps: &[f64]) -> Vec<Point> {
        let mut points = vec![[0.0; 3]];
        for (i, step) in steps.iter().enumerate() {
            let up = if i % 2 == 0 { 0.6 } else { -0.6 };
            let last = points[i];
            points.push([last[0] + 0.8 * step, last[1] + up * step, last[2]]);
        }
        points
    }

    #[test]
    fn regular_calphas_stay() {
        let steps = [3.8, 3.82, 3.79, 3.8, 2.94, 3.8];
        let points = zigzag(&steps);
        let types = [0, 0, 0, 0, 0, 12, 0];
        let trace = Trace::regular(&points, &types);
        assert_eq!(trace.cis, [false, false, false, false, true, false]);
        assert_eq!(trace.calphas.len(), points.len());
        for (a, b) in trace.calphas.iter().zip(&points) {
            assert!(length(&difference(a, b)) < 0.02);
        }
    }

    #[test]
    fn short_distances_in_rough_traces_are_errors() {
        let points = zigzag(&[3.2, 4.4, 3.0, 4.6, 3.1, 4.2]);
        assert!(Trace::regular(&points, &[0; 7]).cis.iter().all(|cis| !cis));
    }

    #[test]
    fn only_peptides_before_proline_are_cis() {
        let mut steps = [3.8; 40];
        (0..40).step_by(8).for_each(|i| steps[i] = CIS);
        let points = zigzag(&steps);
        assert!(Trace::regular(&points, &[0; 41]).cis.iter().all(|cis| !cis));
        assert_eq!(Trace::regular(&points, &[12; 41]).cis.iter().filter(|cis| **cis).count(), 5);
    }

    #[test]
    fn short_runs() {
        assert!(Trace::regular(&[], &[]).cis.is_empty());
        assert_eq!(Trace::regular(&[[1.0; 3]], &[0]).calphas, [[1.0; 3]]);
    }

    proptest! {
        #[test]
        fn distances_become_regular(noise in prop::collection::vec(prop::array::uniform3(-0.6..0.6_f64), 12)) {
            let points: Vec<Point> = zigzag(&[3.8; 11]).iter().zip(&noise).map(|(p, n)| sum(p, n)).collect();
            let trace = Trace::regular(&points, &[0; 12]);
            for (pair, cis) in trace.calphas.windows(2).zip(trace.cis) {
                let usual = if cis { CIS } else { TRANS };
                prop_assert!((length(&difference(&pair[1], &pair[0])) - usual).abs() < 0.25);
            }
        }
    }
}
