//! What is usual in proteins: tables derived from structures by `scripts/derive_tables.py`.

// Some of the derived numbers happen to be near mathematical constants.
#![allow(clippy::approx_constant)]

use std::f64::consts::TAU;

use crate::chemistry;
use crate::vectors::wrapped;

/// Share of the first mode, means and deviations of both (degrees), by bin of two angles and a torsion of Calphas.
static PLANES: [[f32; 5]; 864] = include!("../data/planes.in");
/// -ln of the relative density of phi and psi, by class of the residue.
static RAMACHANDRAN: [[[f32; 36]; 36]; 4] = include!("../data/ramachandran.in");
/// Type, slot, the three slots it is built on, bond, angle, number of its chi or 0, torsion.
static SIDE_CHAINS: [[f32; 9]; 87] = include!("../data/side_chains.in");
/// Type, frequency, four chis, their deviations.
static ROTAMERS: [[f32; 10]; 348] = include!("../data/rotamers.in");
/// -ln of the share of the three wells of chi1, by type that has one, phi and psi.
static CHI1: [[[[f32; 3]; 12]; 12]; 18] = include!("../data/chi1.in");

const BENDS: usize = 6;
const TURNS: usize = 24;
/// Density of planes that the modes do not account for.
const UNUSUAL: f64 = 0.03;

/// Where the carbonyl of a peptide plane points, given the four Calphas around.
#[derive(Debug, Clone, Copy)]
pub struct PlaneModes {
    share: f64,
    mean: [f64; 2],
    deviation: [f64; 2],
}

impl PlaneModes {
    /// The modes for Calphas with the angles `before` and `after` and the torsion `turn` between them.
    #[must_use]
    pub fn of(before: f64, after: f64, turn: f64) -> Self {
        let bend = |a: f64| ((a.to_degrees() - 80.0) / 11.0).clamp(0.0, BENDS as f64 - 1.0) as usize;
        let turn = (((turn.to_degrees() + 180.0) / 15.0).max(0.0) as usize) % TURNS;
        let [share, mean1, mean2, deviation1, deviation2] =
            PLANES[(bend(before) * BENDS + bend(after)) * TURNS + turn].map(f64::from);
        let deviation = [deviation1, deviation2].map(f64::to_radians);
        Self { share, mean: [mean1.to_radians(), mean2.to_radians()], deviation }
    }

    /// -ln of the density at the torsion of the carbonyl to the Calpha before, less half the turn.
    #[must_use]
    pub fn energy(&self, torsion: f64) -> f64 {
        let mode = |k: usize| {
            let z = wrapped(torsion - self.mean[k]) / self.deviation[k];
            (-0.5 * z * z).exp() / (self.deviation[k] * TAU.sqrt())
        };
        -((1.0 - UNUSUAL) * (self.share * mode(0) + (1.0 - self.share) * mode(1)) + UNUSUAL / TAU).ln()
    }
}

/// What a residue's phi and psi depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    General,
    Glycine,
    Proline,
    BeforeProline,
}

impl Class {
    /// Class of a residue of a type, before one of type `next`.
    #[must_use]
    pub fn of(own: usize, next: Option<usize>) -> Self {
        let is = |kind: usize, code: char| chemistry::type_of(code) == Some(kind);
        match (own, next) {
            (own, _) if is(own, 'G') => Self::Glycine,
            (own, _) if is(own, 'P') => Self::Proline,
            (_, Some(next)) if is(next, 'P') => Self::BeforeProline,
            _ => Self::General,
        }
    }
}

/// -ln of the density of phi and psi, relative to an even one.
#[must_use]
pub fn ramachandran(class: Class, phi: f64, psi: f64) -> f64 {
    let table = &RAMACHANDRAN[class as usize];
    let place = |angle: f64| {
        let bin = (wrapped(angle) / TAU + 0.5) * 36.0 + 35.5;
        (bin as usize % 36, (bin as usize + 1) % 36, bin.fract())
    };
    let ((i, next_i, f), (j, next_j, g)) = (place(phi), place(psi));
    let row = |i: usize| f64::from(table[i][j]) * (1.0 - g) + f64::from(table[i][next_j]) * g;
    row(i) * (1.0 - f) + row(next_i) * f
}

/// How an atom of a side chain is built.
#[derive(Debug, Clone, Copy)]
pub struct Placement {
    pub slot: usize,
    /// The three slots before it.
    pub on: [usize; 3],
    pub bond: f64,
    pub angle: f64,
    /// The chi that it turns with.
    pub chi: Option<usize>,
    /// Its torsion, or what it is more than chi.
    pub torsion: f64,
}

/// The atoms of a type's side chain in the order in which they can be built, Cbeta first.
pub fn placements(kind: u8) -> impl Iterator<Item = Placement> {
    SIDE_CHAINS.iter().filter(move |row| row[0] as u8 == kind).map(|row| Placement {
        slot: row[1] as usize,
        on: [row[2] as usize, row[3] as usize, row[4] as usize],
        bond: f64::from(row[5]),
        angle: f64::from(row[6]).to_radians(),
        chi: (row[7] as usize).checked_sub(1),
        torsion: f64::from(row[8]).to_radians(),
    })
}

/// A frequent conformation of a side chain.
#[derive(Debug, Clone, Copy)]
pub struct Rotamer {
    pub frequency: f64,
    pub chi: [f64; 4],
    pub deviation: [f64; 4],
}

impl Rotamer {
    /// Well of chi1: 0 gauche+, 1 trans, 2 gauche-.
    #[must_use]
    pub fn well(&self) -> usize {
        ((self.chi[0].rem_euclid(TAU) / TAU * 3.0) as usize).min(2)
    }
}

/// The rotamers of a type, the commonest first; none where no chi turns.
pub fn rotamers(kind: u8) -> impl Iterator<Item = Rotamer> {
    let four = |row: &[f32; 10], first: usize| std::array::from_fn(|k| f64::from(row[first + k]).to_radians());
    ROTAMERS.iter().filter(move |row| row[0] as u8 == kind).map(move |row| Rotamer {
        frequency: f64::from(row[1]),
        chi: four(row, 2),
        deviation: four(row, 6),
    })
}

/// -ln of the share of each well of chi1 of a type that has one, at phi and psi.
#[must_use]
pub fn chi1_energies(kind: u8, phi: f64, psi: f64) -> [f64; 3] {
    let bin = |angle: f64| ((wrapped(angle) / TAU + 0.5) * 12.0) as usize % 12;
    let without = chemistry::AMINO_ACIDS.iter().take(usize::from(kind)).filter(|acid| acid.chi.is_empty()).count();
    CHI1[(usize::from(kind) - without).min(17)][bin(phi)][bin(psi)].map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_atom_beyond_the_main_chain_has_a_placement() {
        for (kind, acid) in chemistry::AMINO_ACIDS.iter().enumerate() {
            let slots: Vec<usize> = placements(kind as u8).map(|p| p.slot).collect();
            assert_eq!(slots, (4..acid.atoms.len()).collect::<Vec<_>>());
            for placement in placements(kind as u8) {
                assert!(placement.on.iter().all(|&before| before < placement.slot));
                assert!(acid.bonds().any(|b| b == [placement.on[2], placement.slot]));
                if let Some(chi) = placement.chi {
                    assert_eq!(placement.on, acid.chi[chi][..3]);
                }
            }
        }
    }

    #[test]
    fn types_with_chis_have_rotamers() {
        for (kind, acid) in chemistry::AMINO_ACIDS.iter().enumerate() {
            let all: Vec<Rotamer> = rotamers(kind as u8).collect();
            assert_eq!(all.is_empty(), acid.chi.is_empty());
            assert!(all.windows(2).all(|pair| pair[0].frequency >= pair[1].frequency));
            let total: f64 = all.iter().map(|r| r.frequency).sum();
            assert!(acid.chi.is_empty() || (0.95..=1.001).contains(&total), "{kind}: {total}");
        }
    }

    #[test]
    fn helices_and_strands_are_usual_and_left_turns_are_for_glycine() {
        let energy = |class, phi: f64, psi: f64| ramachandran(class, phi.to_radians(), psi.to_radians());
        assert!(energy(Class::General, -63.0, -43.0) < -3.0);
        assert!(energy(Class::General, -120.0, 130.0) < -0.5);
        assert!(energy(Class::General, 60.0, -120.0) > 2.0);
        assert!(energy(Class::Glycine, 85.0, 0.0) < -1.0);
        let near = energy(Class::General, 179.9, 170.0) - energy(Class::General, -179.9, 170.0);
        assert!(near.abs() < 0.05, "{near}");
    }

    #[test]
    fn valine_in_a_helix_is_trans() {
        let energies = chi1_energies(17, (-63_f64).to_radians(), (-43_f64).to_radians());
        assert!(energies[1] < energies[0] && energies[1] < energies[2]);
    }

    #[test]
    fn planes_of_helices_point_along_the_axis() {
        let modes = PlaneModes::of(91_f64.to_radians(), 91_f64.to_radians(), 50_f64.to_radians());
        let best = (0..360).min_by(|&a, &b| {
            let energy = |d: i32| modes.energy(f64::from(d).to_radians());
            energy(a).total_cmp(&energy(b))
        });
        assert!((95..112).contains(&best.unwrap()));
    }

    #[test]
    fn classes_follow_the_neighbours() {
        let index = |code| chemistry::type_of(code).unwrap();
        assert_eq!(Class::of(index('A'), Some(index('P'))), Class::BeforeProline);
        assert_eq!(Class::of(index('G'), Some(index('P'))), Class::Glycine);
        assert_eq!(Class::of(index('P'), Some(index('P'))), Class::Proline);
        assert_eq!(Class::of(index('L'), Some(index('K'))), Class::General);
    }
}
