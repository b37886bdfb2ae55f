//! The Ramachandran potential: -ln of the density of (phi, psi), a periodic spline.

use std::f64::consts::{PI, TAU};

use crate::CoreError;
use crate::tables::Class;

use super::restraints::number;
use super::spline;

/// Cells of the grid along each axis.
const CELLS: usize = 48;

/// How usual a residue's (phi, psi) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    Favoured,
    Allowed,
    Outlier,
}

/// Potential of one class.
#[derive(Debug)]
struct Map {
    /// Energies below which 98 and 99.95 % of the residues lie.
    levels: [f64; 2],
    /// Rows of phi, each CELLS of psi, from -180 degrees on.
    values: Vec<f64>,
}

/// Potentials of all classes.
#[derive(Debug)]
pub struct Ramachandran {
    maps: [Map; 4],
}

impl Ramachandran {
    /// Reads `ramachandran.txt`: per class a line with the name and the levels, then the rows in hundredths.
    pub(super) fn parse(table: &str) -> Result<Self, CoreError> {
        let lines: Vec<&str> = table.lines().collect();
        let blocks: Vec<&[&str]> = lines.chunks(CELLS + 1).collect();
        let block = |class: usize| {
            let block = blocks.get(class).copied().unwrap_or_default();
            let (head, rows) = block.split_first().ok_or_else(short)?;
            let levels = head.split(' ').skip(1).map(number).collect::<Result<Vec<f64>, _>>()?;
            let values = rows.iter().flat_map(|row| row.split(' ')).map(|w| number::<f64>(w).map(|v| v / 100.0));
            let values = values.collect::<Result<Vec<f64>, _>>()?;
            let &[favoured, allowed] = levels.as_slice() else { return Err(short()) };
            if values.len() != CELLS * CELLS {
                return Err(short());
            }
            Ok(Map { levels: [favoured, allowed], values })
        };
        Ok(Self { maps: [block(0)?, block(1)?, block(2)?, block(3)?] })
    }

    /// Energy at (phi, psi) in radians, and its derivatives.
    #[must_use]
    pub fn energy(&self, class: Class, phi: f64, psi: f64) -> (f64, f64, f64) {
        let values = &self.maps[class as usize].values;
        let ((row, along_phi), (column, along_psi)) = (cell(phi), cell(psi));
        let (w_phi, s_phi) = (spline::weights(along_phi), spline::slopes(along_phi));
        let (w_psi, s_psi) = (spline::weights(along_psi), spline::slopes(along_psi));
        let (mut energy, mut by_phi, mut by_psi) = (0.0, 0.0, 0.0);
        for i in 0..4 {
            let start = (row + i + CELLS - 1) % CELLS * CELLS;
            for j in 0..4 {
                let value = values[start + (column + j + CELLS - 1) % CELLS];
                energy += w_phi[i] * w_psi[j] * value;
                by_phi += s_phi[i] * w_psi[j] * value;
                by_psi += w_phi[i] * s_psi[j] * value;
            }
        }
        let per_radian = CELLS as f64 / TAU;
        (energy, by_phi * per_radian, by_psi * per_radian)
    }

    /// Where (phi, psi) lies.
    #[must_use]
    pub fn region(&self, class: Class, phi: f64, psi: f64) -> Region {
        let (energy, ..) = self.energy(class, phi, psi);
        let [favoured, allowed] = self.maps[class as usize].levels;
        if energy <= favoured {
            Region::Favoured
        } else if energy <= allowed {
            Region::Allowed
        } else {
            Region::Outlier
        }
    }
}

/// Cell of an angle in radians, and how far it lies within.
fn cell(angle: f64) -> (usize, f64) {
    let place = (angle + PI).rem_euclid(TAU) / TAU * CELLS as f64;
    let whole = place.floor();
    (whole as usize % CELLS, place - whole)
}

fn short() -> CoreError {
    CoreError::Invalid("the table of the Ramachandran potential is damaged".into())
}

#[cfg(test)]
mod tests {
    use super::super::restraints::Restraints;
    use super::*;
    use proptest::prelude::*;

    const CLASSES: [Class; 4] = [Class::General, Class::Glycine, Class::Proline, Class::BeforeProline];

    fn radians(degrees: [f64; 2]) -> [f64; 2] {
        degrees.map(f64::to_radians)
    }

    #[test]
    fn helices_and_sheets_are_favoured() {
        let map = Restraints::read().unwrap().ramachandran;
        for class in CLASSES {
            for place in [[-63.0, -42.0], [-65.0, 145.0]] {
                let [phi, psi] = radians(place);
                assert_eq!(map.region(class, phi, psi), Region::Favoured, "{class:?} {place:?}");
            }
        }
        let [phi, psi] = radians([80.0, -150.0]);
        assert_eq!(map.region(Class::General, phi, psi), Region::Outlier);
        assert_eq!(map.region(Class::Glycine, phi, psi), Region::Favoured);
    }

    proptest! {
        #[test]
        fn slopes_are_those_of_the_energy(phi in -7.0..7.0_f64, psi in -7.0..7.0_f64, c in 0..4_usize) {
            let map = Restraints::read().unwrap().ramachandran;
            let at = |p: f64, s: f64| map.energy(CLASSES[c], p, s).0;
            let (_, by_phi, by_psi) = map.energy(CLASSES[c], phi, psi);
            let h = 1e-6;
            prop_assert!((by_phi - (at(phi + h, psi) - at(phi - h, psi)) / (2.0 * h)).abs() < 1e-4);
            prop_assert!((by_psi - (at(phi, psi + h) - at(phi, psi - h)) / (2.0 * h)).abs() < 1e-4);
            prop_assert!((at(phi + TAU, psi) - at(phi, psi)).abs() < 1e-9);
        }
    }
}
