//! A template as sites that scatter: Calphas, the peptides between them, and side chains.
//!
//! Every site is a linear combination of Calphas, so that forces on sites are forces on Calphas.

use crate::vectors::add;
use crate::{CoreError, Point};

/// Heavy atoms that a Calpha stands for, and a peptide's other three.
const CALPHA: f64 = 1.0;
const PEPTIDE: f64 = 3.0;
/// Longest distance in Angstrom of consecutive Calphas with a peptide between them; predictions are distorted.
const LONGEST_STEP: f64 = 6.0;
/// Length of `2 p(i) - p(i - 1) - p(i + 1)` in Angstrom, which points along the side chain.
const BISECTOR: f64 = 5.0;

/// The side chain of a residue: its heavy atoms, and their distance from the Calpha in Angstrom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SideChain {
    pub atoms: f64,
    pub reach: f64,
}

/// Where density is expected, as a combination of Calphas.
#[derive(Debug, Clone)]
pub struct Site {
    pub parts: Vec<(usize, f64)>,
    /// Share of the body's atoms.
    pub weight: f64,
}

/// Calphas on consecutive or other residues, and their sites.
#[derive(Debug, Clone)]
pub struct Body {
    pub numbers: Vec<usize>,
    pub points: Vec<Point>,
    pub sites: Vec<Site>,
}

impl Body {
    /// The body of residues with these numbers, which ascend, points and side chains.
    pub fn new(numbers: Vec<usize>, points: Vec<Point>, sides: &[SideChain]) -> Result<Self, CoreError> {
        if points.is_empty() || numbers.len() != points.len() || sides.len() != points.len() {
            return Err(CoreError::Invalid("a body must have residues, with a point and a side chain each".into()));
        }
        if !numbers.is_sorted_by(|a, b| a < b) || sides.iter().any(|s| s.atoms.is_nan() || s.atoms < 0.0) {
            return Err(CoreError::Invalid("residues of a body must ascend, and atoms not be negative".into()));
        }
        let mut sites: Vec<Site> = (0..points.len()).map(|i| Site { parts: vec![(i, 1.0)], weight: CALPHA }).collect();
        let joined = |i: usize| i + 1 < points.len() && follows(&numbers, &points, i);
        for (i, side) in sides.iter().enumerate() {
            if joined(i) {
                sites.push(Site { parts: vec![(i, 0.5), (i + 1, 0.5)], weight: PEPTIDE });
            }
            if i > 0 && joined(i - 1) && joined(i) && side.atoms > 0.0 {
                let out = side.reach / BISECTOR;
                sites
                    .push(Site { parts: vec![(i - 1, -out), (i, 1.0 + 2.0 * out), (i + 1, -out)], weight: side.atoms });
            }
        }
        let total: f64 = sites.iter().map(|s| s.weight).sum();
        for site in &mut sites {
            site.weight /= total;
        }
        Ok(Self { numbers, points, sites })
    }

    /// Where a site is when the Calphas are at `points`.
    #[must_use]
    pub fn place(site: &Site, points: &[Point]) -> Point {
        let mut at = [0.0; 3];
        for (i, share) in &site.parts {
            add(&mut at, &points[*i], *share);
        }
        at
    }

    /// The sites and their weights.
    #[must_use]
    pub fn cloud(&self) -> Vec<(Point, f64)> {
        self.sites.iter().map(|site| (Self::place(site, &self.points), site.weight)).collect()
    }
}

fn follows(numbers: &[usize], points: &[Point], i: usize) -> bool {
    let squared = crate::cells::squared_distance(&points[i], &points[i + 1]);
    numbers[i + 1] == numbers[i] + 1 && squared < LONGEST_STEP * LONGEST_STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bent_chain_has_peptides_between_and_a_side_chain_outside() {
        let points = vec![[0.0, 0.0, 0.0], [3.0, 2.0, 0.0], [6.0, 0.0, 0.0], [9.0, 2.0, 0.0]];
        let side = SideChain { atoms: 4.0, reach: 2.5 };
        let body = Body::new(vec![4, 5, 6, 8], points, &[side; 4]).unwrap();
        let cloud = body.cloud();
        assert_eq!(cloud.len(), 4 + 2 + 1);
        assert!(cloud.contains(&([1.5, 1.0, 0.0], 3.0 / 14.0)));
        let (at, weight) = cloud.into_iter().max_by(|a, b| a.0[1].total_cmp(&b.0[1])).unwrap();
        assert!(at[1] > 3.5 && (at[0] - 3.0).abs() < 1e-9 && (weight - 4.0 / 14.0).abs() < 1e-9);
    }

    #[test]
    fn bodies_need_ascending_residues() {
        let side = SideChain { atoms: 1.0, reach: 1.0 };
        assert!(Body::new(vec![1, 1], vec![[0.0; 3]; 2], &[side; 2]).is_err());
        assert!(Body::new(vec![], vec![], &[]).is_err());
    }
}
