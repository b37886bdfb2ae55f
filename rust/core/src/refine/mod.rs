//! Real-space refinement: a model with all heavy atoms is moved into its map, its geometry made right.
//!
//! The geometry is harmonic in distances (bonds, and over two bonds instead of angles) and in signed volumes (hands and
//! planes); (phi, psi) and the side-chain torsions are drawn to where those of well resolved structures are; atoms that
//! are not bonded keep apart; the map pulls at every atom. All of it has smooth derivatives, and L-BFGS does the rest.

pub mod density;
pub mod fit;
pub mod lbfgs;
pub mod quality;
pub mod ramachandran;
pub mod repair;
pub mod repulsion;
pub mod restraints;
pub mod spline;
pub mod target;
pub mod topology;
pub mod torsion;
pub mod vector;

use crate::chemistry::CA;
use crate::{CoreError, Monitor, Point};

use density::Density;
use quality::Quality;
use repair::Repair;
use repulsion::Repulsion;
use restraints::Restraints;
use target::{Anchor, Target, Weights};
use topology::{Residue, Topology};

/// A model in its surroundings.
#[derive(Debug)]
pub struct Model {
    restraints: Restraints,
    topology: Topology,
    positions: Vec<Point>,
    /// Atoms of other molecules, which stay where they are.
    foreign: Vec<Point>,
    residues: usize,
}

impl Model {
    /// The model of `residues`, in the order of their chains.
    pub fn new(residues: &[Residue], foreign: Vec<Point>) -> Result<Self, CoreError> {
        let restraints = Restraints::read()?;
        let (topology, positions) = Topology::new(residues, &restraints)?;
        Ok(Self { restraints, topology, positions, foreign, residues: residues.len() })
    }

    /// Moves the atoms to where the target is small. `places` has a place per residue that its Calpha is held near.
    pub fn refine(
        &mut self,
        density: Density<'_>,
        weights: Weights,
        places: &[Option<Point>],
        iterations: usize,
        monitor: &Monitor,
    ) -> Result<(), CoreError> {
        if places.len() != self.residues {
            return Err(CoreError::Invalid(format!("{} places for {} residues", places.len(), self.residues)));
        }
        monitor.begin(iterations);
        let mut repulsion = self.repulsion()?;
        if weights.repairs {
            let (topology, restraints) = (&self.topology, &self.restraints);
            let repair = Repair { topology, restraints, density, repulsion: &repulsion, weights };
            repair.apply(&mut self.positions)?;
            repulsion.update(&self.positions)?;
        }
        let calphas = self.topology.atoms.iter().enumerate().filter(|(_, atom)| atom.slot == CA);
        let anchor = |(atom, a): (usize, &topology::Atom)| places[a.residue].map(|place| Anchor { atom, place });
        let anchors = calphas.filter_map(anchor).collect();
        let tables = (&self.topology, &self.restraints);
        let mut target = Target::new(tables, density, repulsion, anchors, weights, &self.positions);
        let evaluate = |positions: &[Point], gradient: &mut [Point]| {
            target.update(positions)?;
            Ok(target.evaluate(positions, gradient))
        };
        lbfgs::minimise(&mut self.positions, iterations, monitor, evaluate)?;
        Ok(())
    }

    /// The geometry of the model.
    pub fn quality(&self) -> Result<Quality, CoreError> {
        Ok(quality::measure(&self.topology, &self.restraints, &self.repulsion()?, &self.positions))
    }

    /// How well the model fits a map, see [`fit::correlation`].
    #[must_use]
    pub fn fit(&self, density: &Density<'_>, blur: f64) -> f64 {
        let weigh = |a: &topology::Atom| target::scattering(a.element());
        let weights = self.topology.atoms.iter().map(weigh);
        fit::correlation(density, &self.positions.iter().copied().zip(weights).collect::<Vec<_>>(), blur)
    }

    /// Position of every atom with its residue and slot.
    pub fn atoms(&self) -> impl Iterator<Item = (usize, usize, Point)> {
        self.topology.atoms.iter().zip(&self.positions).map(|(a, p)| (a.residue, a.slot, *p))
    }

    fn repulsion(&self) -> Result<Repulsion, CoreError> {
        Repulsion::new(&self.topology, &self.positions, self.foreign.clone())
    }
}
