//! The function that the refinement makes small: geometry, repulsion, map and anchors.

use rayon::prelude::*;

use crate::chemistry::{AMINO_ACIDS, Element};
use crate::vectors::{add, cross, difference, dot, length, scaled, torsion};
use crate::{CoreError, Point};

use super::density::Density;
use super::ramachandran::Ramachandran;
use super::repulsion::Repulsion;
use super::restraints::{Restraints, Rotamer};
use super::topology::{Backbone, Chunk, Distance, SideChain, Topology, Volume};
use super::torsion;

/// Atoms whose map and repulsion terms are evaluated together.
const CHUNK: usize = 512;
/// Deviation in Angstrom of the distance from a foreign atom that the model is bound to.
const TETHER: f64 = 0.05;

/// How much the parts count. The geometry is in units of its standard deviations.
#[derive(Debug, Clone, Copy)]
pub struct Weights {
    pub ramachandran: f64,
    pub rotamers: f64,
    /// Per squared Angstrom of overlap.
    pub repulsion: f64,
    /// Per unit of the map at an atom.
    pub map: f64,
    /// Per squared Angstrom from the anchor.
    pub anchors: f64,
    /// Whether peptides are turned and rotamers changed first.
    pub repairs: bool,
}

/// An atom that is held near a place.
#[derive(Debug, Clone, Copy)]
pub struct Anchor {
    pub atom: usize,
    pub place: Point,
}

/// A side-chain torsion that is drawn to one value.
#[derive(Debug, Clone, Copy)]
struct Well {
    atoms: [usize; 4],
    mean: f64,
    /// 2 where half a turn changes nothing.
    fold: f64,
    /// One over the squared deviation in radians.
    stiffness: f64,
}

/// All that the refinement weighs.
#[derive(Debug)]
pub struct Target<'a> {
    topology: &'a Topology,
    ramachandran: &'a Ramachandran,
    density: Density<'a>,
    pub repulsion: Repulsion,
    anchors: Vec<Anchor>,
    /// Atoms with places that they keep their distance to.
    tethers: Vec<(usize, Point, f64)>,
    /// Wells of the rotamers, per chunk of the topology.
    wells: Vec<Vec<Well>>,
    /// Scattering of every atom relative to carbon.
    scattering: Vec<f64>,
    weights: Weights,
}

impl<'a> Target<'a> {
    /// The target for a model at `positions`; every side chain is drawn to the rotamer that it is nearest to.
    #[must_use]
    pub fn new(
        (topology, restraints): (&'a Topology, &'a Restraints),
        density: Density<'a>,
        repulsion: Repulsion,
        anchors: Vec<Anchor>,
        weights: Weights,
        positions: &[Point],
    ) -> Self {
        let wells = |chunk: &Chunk| -> Vec<Well> {
            chunk.side_chains.iter().flat_map(|s| nearest_rotamer(s, restraints, positions)).collect()
        };
        Self {
            topology,
            ramachandran: &restraints.ramachandran,
            density,
            tethers: repulsion.bonds_to_foreign(positions),
            repulsion,
            anchors,
            wells: topology.chunks.iter().map(wells).collect(),
            scattering: topology.atoms.iter().map(|a| scattering(a.element())).collect(),
            weights,
        }
    }

    /// Value at `positions`; the gradient is written over `gradient`. Neighbours must be up to date.
    pub fn evaluate(&self, positions: &[Point], gradient: &mut [Point]) -> f64 {
        let energies: Vec<f64> = gradient
            .par_chunks_mut(CHUNK)
            .enumerate()
            .map(|(c, part)| self.of_atoms(c * CHUNK, part, positions))
            .collect();
        let parts: Vec<(f64, Vec<Point>)> = self
            .topology
            .chunks
            .par_iter()
            .zip(&self.wells)
            .map(|(chunk, wells)| self.of_chunk(chunk, wells, positions))
            .collect();
        let mut energy: f64 = energies.iter().sum();
        for (chunk, (part, pulls)) in self.topology.chunks.iter().zip(parts) {
            energy += part;
            for (to, from) in gradient[chunk.window.clone()].iter_mut().zip(&pulls) {
                add(to, from, 1.0);
            }
        }
        let mut all = Sum { positions, gradient, first: 0, energy };
        self.topology.disulfides.iter().for_each(|d| all.distance(d));
        self.anchors.iter().for_each(|a| all.anchor(a, self.weights.anchors));
        self.tethers.iter().for_each(|t| all.tether(t));
        all.energy
    }

    /// Lists neighbours anew where needed.
    pub fn update(&mut self, positions: &[Point]) -> Result<(), CoreError> {
        self.repulsion.update(positions)
    }

    /// Map and repulsion of the atoms from `first` on, whose gradients are written over `gradient`.
    fn of_atoms(&self, first: usize, gradient: &mut [Point], positions: &[Point]) -> f64 {
        let mut energy = 0.0;
        for (k, own) in gradient.iter_mut().enumerate() {
            let i = first + k;
            let (overlap, push) = self.repulsion.of_atom(i, positions);
            let (value, slope) = self.density.at(&positions[i]);
            let pull = -self.weights.map * self.scattering[i];
            energy += self.weights.repulsion * overlap + pull * value;
            *own = scaled(&push, self.weights.repulsion);
            add(own, &slope, pull);
        }
        energy
    }

    /// Geometry of a chunk, and the gradients of the atoms of its window.
    fn of_chunk(&self, chunk: &Chunk, wells: &[Well], positions: &[Point]) -> (f64, Vec<Point>) {
        let mut gradient = vec![[0.0; 3]; chunk.window.len()];
        let mut sum = Sum { positions, gradient: &mut gradient, first: chunk.window.start, energy: 0.0 };
        chunk.distances.iter().for_each(|d| sum.distance(d));
        chunk.volumes.iter().for_each(|v| sum.volume(v));
        chunk.backbones.iter().for_each(|b| sum.backbone(b, self.ramachandran, self.weights.ramachandran));
        for well in wells {
            sum.well(well, self.weights.rotamers);
        }
        (sum.energy, gradient)
    }
}

/// Relative to carbon; the electron scattering of heavy atoms at rest.
#[must_use]
pub fn scattering(element: Element) -> f64 {
    match element {
        Element::Carbon => 1.0,
        Element::Nitrogen => 0.9,
        Element::Oxygen => 0.8,
        Element::Sulfur => 2.0,
    }
}

/// The wells of the rotamer that a side chain is nearest to.
fn nearest_rotamer(side_chain: &SideChain, restraints: &Restraints, positions: &[Point]) -> Vec<Well> {
    let angle = |[a, b, c, d]: &[usize; 4]| torsion(&positions[*a], &positions[*b], &positions[*c], &positions[*d]);
    let angles: Vec<f64> = side_chain.chi.iter().map(angle).collect();
    let rotamers = restraints.rotamers(side_chain.amino);
    let cost = |r: &&Rotamer| own_cost(side_chain.amino, r, &angles);
    let nearest = rotamers.iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
    let wells = nearest.map(|rotamer| side_chain.chi.iter().zip(wells_of(side_chain.amino, rotamer)));
    wells.into_iter().flatten().map(|(atoms, well)| Well { atoms: *atoms, ..well }).collect()
}

/// How unusual the side-chain torsions of an amino acid are: how far from a rotamer, and how rare that is.
#[must_use]
pub fn rotamer_cost(amino: usize, rotamers: &[Rotamer], angles: &[f64]) -> f64 {
    rotamers.iter().map(|r| own_cost(amino, r, angles)).fold(f64::INFINITY, f64::min)
}

fn own_cost(amino: usize, rotamer: &Rotamer, angles: &[f64]) -> f64 {
    wells_of(amino, rotamer).zip(angles).map(|(well, angle)| well.energy(*angle)).sum::<f64>() - rotamer.share.ln()
}

/// The wells of a rotamer, without atoms yet.
fn wells_of(amino: usize, rotamer: &Rotamer) -> impl Iterator<Item = Well> {
    let last = rotamer.chi.len().saturating_sub(1);
    let fold = move |c: usize| if AMINO_ACIDS[amino].symmetric && c == last { 2.0 } else { 1.0 };
    let well = move |(c, &(mean, sd)): (usize, &(f64, f64))| Well {
        atoms: [0; 4],
        mean,
        fold: fold(c),
        stiffness: 1.0 / (sd * sd),
    };
    rotamer.chi.iter().enumerate().map(well)
}

impl Well {
    fn energy(&self, angle: f64) -> f64 {
        (1.0 - (self.fold * (angle - self.mean)).cos()) * self.stiffness / (self.fold * self.fold)
    }

    fn slope(&self, angle: f64) -> f64 {
        (self.fold * (angle - self.mean)).sin() * self.stiffness / self.fold
    }
}

/// Terms added up: their energy, and the gradient of the atoms from `first` on.
struct Sum<'a> {
    positions: &'a [Point],
    gradient: &'a mut [Point],
    first: usize,
    energy: f64,
}

impl Sum<'_> {
    fn pull(&mut self, atom: usize, direction: &Point, factor: f64) {
        add(&mut self.gradient[atom - self.first], direction, factor);
    }

    fn distance(&mut self, term: &Distance) {
        let [a, b] = term.atoms;
        let between = difference(&self.positions[a], &self.positions[b]);
        let length = length(&between).max(1e-6);
        let off = (length - term.mean) / term.deviation;
        self.energy += 0.5 * off * off;
        let factor = off / (term.deviation * length);
        self.pull(a, &between, factor);
        self.pull(b, &between, -factor);
    }

    fn volume(&mut self, term: &Volume) {
        let [centre, a, b, c] = term.atoms;
        let arm = |i: usize| difference(&self.positions[i], &self.positions[centre]);
        let (one, two, three) = (arm(a), arm(b), arm(c));
        let (by_one, by_two, by_three) = (cross(&two, &three), cross(&three, &one), cross(&one, &two));
        let off = (dot(&one, &by_one) - term.mean) / term.deviation;
        self.energy += 0.5 * off * off;
        let factor = off / term.deviation;
        for (atom, slope) in [(a, by_one), (b, by_two), (c, by_three)] {
            self.pull(atom, &slope, factor);
            self.pull(centre, &slope, -factor);
        }
    }

    fn backbone(&mut self, term: &Backbone, ramachandran: &Ramachandran, weight: f64) {
        let [a, b, c, d, e] = term.atoms;
        let (before, after) = ([a, b, c, d], [b, c, d, e]);
        let torsion = |four: [usize; 4]| torsion::with_slopes(&four.map(|i| self.positions[i]));
        let (Some((phi, phi_slopes)), Some((psi, psi_slopes))) = (torsion(before), torsion(after)) else { return };
        let (energy, by_phi, by_psi) = ramachandran.energy(term.class, phi, psi);
        self.energy += weight * energy;
        for (atom, slope) in before.iter().zip(&phi_slopes) {
            self.pull(*atom, slope, weight * by_phi);
        }
        for (atom, slope) in after.iter().zip(&psi_slopes) {
            self.pull(*atom, slope, weight * by_psi);
        }
    }

    fn well(&mut self, term: &Well, weight: f64) {
        let four = term.atoms.map(|i| self.positions[i]);
        let Some((angle, slopes)) = torsion::with_slopes(&four) else { return };
        self.energy += weight * term.energy(angle);
        for (atom, slope) in term.atoms.iter().zip(&slopes) {
            self.pull(*atom, slope, weight * term.slope(angle));
        }
    }

    fn tether(&mut self, (atom, place, mean): &(usize, Point, f64)) {
        let between = difference(&self.positions[*atom], place);
        let length = length(&between).max(1e-6);
        let off = (length - mean) / TETHER;
        self.energy += 0.5 * off * off;
        self.pull(*atom, &between, off / (TETHER * length));
    }

    fn anchor(&mut self, term: &Anchor, weight: f64) {
        let off = difference(&self.positions[term.atom], &term.place);
        self.energy += 0.5 * weight * dot(&off, &off);
        self.pull(term.atom, &off, weight);
    }
}
