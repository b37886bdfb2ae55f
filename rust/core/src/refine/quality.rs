//! What the geometry of a model is worth.

use crate::Point;
use crate::vectors::{angle, difference, length, torsion};

use super::ramachandran::Region;
use super::repulsion::Repulsion;
use super::restraints::Restraints;
use super::topology::Topology;

/// Measures that users know, of one model.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Quality {
    pub atoms: usize,
    /// Root of the mean squared deviation of the bonds, in Angstrom, and of the angles, in degrees.
    pub bond_rms: f64,
    pub angle_rms: f64,
    /// Residues with phi and psi, and how many of them are in the favoured region or outliers.
    pub ramachandran: usize,
    pub favoured: usize,
    pub outliers: usize,
    /// Pairs of heavy atoms whose van der Waals spheres overlap by more than 0.4 Angstrom.
    pub clashes: usize,
}

/// Measures the geometry of a model at `positions`; the neighbours of `repulsion` must be up to date.
#[must_use]
pub fn measure(topology: &Topology, restraints: &Restraints, repulsion: &Repulsion, positions: &[Point]) -> Quality {
    let of = |atoms: &[usize; 2]| length(&difference(&positions[atoms[0]], &positions[atoms[1]]));
    let bonds = topology.bonds.iter().map(|b| of(&b.atoms) - b.mean);
    let angles = topology.angles.iter().map(|a| (angle_at(a.atoms, positions) - a.mean).to_degrees());
    let regions: Vec<Region> = regions(topology, restraints, positions);
    let count = |region: Region| regions.iter().filter(|r| **r == region).count();
    Quality {
        atoms: positions.len(),
        bond_rms: root_mean_square(bonds),
        angle_rms: root_mean_square(angles),
        ramachandran: regions.len(),
        favoured: count(Region::Favoured),
        outliers: count(Region::Outlier),
        clashes: repulsion.clashes(positions),
    }
}

fn regions(topology: &Topology, restraints: &Restraints, positions: &[Point]) -> Vec<Region> {
    let region = |b: &super::topology::Backbone| {
        let [one, two, three, four, five] = b.atoms.map(|i| positions[i]);
        let (phi, psi) = (torsion(&one, &two, &three, &four), torsion(&two, &three, &four, &five));
        restraints.ramachandran.region(b.class, phi, psi)
    };
    topology.chunks.iter().flat_map(|c| &c.backbones).map(region).collect()
}

fn angle_at(atoms: [usize; 3], positions: &[Point]) -> f64 {
    let [a, middle, b] = atoms.map(|i| positions[i]);
    angle(&a, &middle, &b)
}

fn root_mean_square(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut sum) = (0, 0.0);
    for value in values {
        count += 1;
        sum += value * value;
    }
    if count == 0 { 0.0 } else { (sum / f64::from(count)).sqrt() }
}
