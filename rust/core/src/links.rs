//! Connection likelihood H of neighbouring candidates, eq. 22-24.

use crate::cells::{Cells, squared_distance};
use crate::sparse::{Entry, SparseRows};
use crate::volume::Volume;
use crate::{CoreError, Monitor, Point};

/// Distance of consecutive Calphas (trans peptide) in Angstrom.
const CA_DISTANCE: f64 = 3.8;
/// Deviations up to this many Angstrom cost nothing in eq. 23 ...
const TOLERANCE: f64 = 0.5;
/// ... and beyond it the score falls to 0 over this many.
const FALL: f64 = 2.0;
/// Where eq. 24 reads the main chain on the way from one candidate to the other. The end points, which all links of
/// a candidate share, are left out: without them H tells true neighbours better on every case that was measured.
const READ_AT: [f64; 4] = [0.2, 0.4, 0.6, 0.8];

/// Symmetric H of the pairs whose distance is in `[nearest, furthest)`.
///
/// `points` are grid positions: `bb_prob`, the main-chain probability, is read at their voxels.
pub fn link(
    points: &[Point],
    bb_prob: &Volume<'_>,
    [nearest, furthest]: [f64; 2],
    monitor: &Monitor,
) -> Result<SparseRows, CoreError> {
    let cells = Cells::new(points, furthest)?;
    SparseRows::build(points.len(), monitor, |i| {
        let mut row: Vec<Entry> = cells
            .near(&points[i], 1)
            .map(|j| (j, squared_distance(&points[i], &points[j]).sqrt()))
            .filter(|&(j, distance)| j != i && nearest <= distance && distance < furthest)
            .map(|(j, distance)| {
                // Both entries of a pair are computed in one direction, so that they are the same number.
                let main_chain = main_chain_score(bb_prob, &points[i.min(j)], &points[i.max(j)]);
                (j, f64::midpoint(distance_score(distance), main_chain) as f32)
            })
            .collect();
        row.sort_unstable_by_key(|entry| entry.0);
        row
    })
}

/// `S_D` of eq. 23.
fn distance_score(distance: f64) -> f64 {
    (1.0 - ((distance - CA_DISTANCE).abs() - TOLERANCE) / FALL).clamp(0.0, 1.0)
}

/// `S_B` of eq. 24: mean main-chain probability on the way from `a` to `b`.
fn main_chain_score(bb_prob: &Volume<'_>, a: &Point, b: &Point) -> f64 {
    let at = |part: f64| {
        let point = [0, 1, 2].map(|d| a[d] + part * (b[d] - a[d]));
        f64::from(bb_prob.nearest(&point))
    };
    READ_AT.map(at).iter().sum::<f64>() / READ_AT.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_score_follows_eq_23() {
        for (distance, score) in [(3.8, 1.0), (4.3, 1.0), (5.3, 0.5), (2.3, 0.5), (9.0, 0.0)] {
            assert!((distance_score(distance) - score).abs() < 1e-12, "{distance}");
        }
    }

    #[test]
    fn neighbours_on_main_chain_are_linked() {
        let values = vec![1.0; 1000];
        let volume = Volume::new(&values, [10, 10, 10]).unwrap();
        let points = [[0.0, 0.0, 0.0], [3.8, 0.0, 0.0], [9.8, 0.0, 0.0]];
        let rows = link(&points, &volume, [2.0, 6.0], &Monitor::default()).unwrap();
        assert_eq!(rows.row(0).collect::<Vec<_>>(), [(1, 1.0)]);
        assert_eq!(rows.row(1).collect::<Vec<_>>(), [(0, 1.0)]);
        assert_eq!(rows.row(2).count(), 0);
    }
}
