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

use crate::chemistry::CA;
use crate::{CoreError, Monitor, Point};

use density::Density;
use quality::Quality;
use repair::Judge;
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
            let judge = Judge { topology, restraints, density, repulsion: &repulsion, weights };
            repair::repair(judge, &mut self.positions, monitor)?;
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

#[cfg(test)]
pub(crate) mod tests {
    use super::target::Weights;
    use super::*;
    use crate::chemistry::{AMINO_ACIDS, MOST_ATOMS, type_of};
    use crate::vectors::{difference, length};
    use crate::volume::Volume;

    pub const SHAPE: [usize; 3] = [48, 16, 16];
    const WEIGHTS: Weights =
        Weights { ramachandran: 1.5, rotamers: 0.3, repulsion: 40.0, map: 10.0, anchors: 2.0, repairs: false };

    /// A linked chain along x whose atoms lie near their Calphas, otherwise anywhere.
    pub fn crumpled(sequence: &str, seed: u64) -> Vec<Residue> {
        let mut state = seed.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493);
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1_u32 << 30) - 1.0
        };
        let residue = |(number, code): (usize, char)| {
            let amino = type_of(code).unwrap();
            let mut atoms = [None; MOST_ATOMS];
            for atom in atoms.iter_mut().take(AMINO_ACIDS[amino].atoms.len()) {
                let [x, y, z] = std::array::from_fn(|_| 1.6 * random());
                *atom = Some([x + 2.0 * number as f64, y, z]);
            }
            Residue { amino, chain: 0, number: number as i64, atoms }
        };
        sequence.chars().enumerate().map(residue).collect()
    }

    pub fn waves() -> Vec<f32> {
        let count: usize = SHAPE.iter().product();
        (0..count).map(|i| (i as f32 * 0.37).sin() + (i as f32 * 0.011).cos()).collect()
    }

    #[test]
    fn gradient_of_the_whole_target_is_that_of_its_value() {
        let restraints = Restraints::read().unwrap();
        let values = waves();
        let density = Density::new(Volume::new(&values, SHAPE).unwrap(), [1.0, 1.1, 0.9]).unwrap();
        for seed in 0..4 {
            let mut residues = crumpled("ACDEFGHIKLMNPQRSTVWYCC", seed);
            residues[20].atoms[5] = residues[1].atoms[5].map(|[x, y, z]| [x, y + 1.5, z]); // a disulfide
            let (topology, positions) = Topology::new(&residues, &restraints).unwrap();
            assert!(!topology.disulfides.is_empty());
            let foreign = vec![positions[8].map(|v| v + 1.0), [5.0, 6.0, 1.0]];
            let repulsion = Repulsion::new(&topology, &positions, foreign).unwrap();
            let anchors = vec![Anchor { atom: 1, place: [0.3, 0.2, 0.1] }];
            let tables = (&topology, &restraints);
            let target = Target::new(tables, density, repulsion, anchors, WEIGHTS, &positions);
            let mut gradient = vec![[0.0; 3]; positions.len()];
            target.evaluate(&positions, &mut gradient);
            for i in (0..positions.len()).step_by(3) {
                for axis in 0..3 {
                    let value = |h: f64| {
                        let mut moved = positions.clone();
                        moved[i][axis] += h;
                        target.evaluate(&moved, &mut vec![[0.0; 3]; positions.len()])
                    };
                    let expected = (value(1e-6) - value(-1e-6)) / 2e-6;
                    let off = (gradient[i][axis] - expected).abs();
                    assert!(off < 1e-3 * (10.0 + expected.abs()), "atom {i}: {} {expected}", gradient[i][axis]);
                }
            }
        }
    }

    #[test]
    fn a_crumpled_chain_gets_its_geometry() {
        let values = vec![0.0; SHAPE.iter().product()];
        let density = Density::new(Volume::new(&values, SHAPE).unwrap(), [1.0; 3]).unwrap();
        let residues = crumpled("AGVSTAGDKL", 3);
        let mut model = Model::new(&residues, Vec::new()).unwrap();
        let before = model.quality().unwrap();
        let weights = Weights { map: 0.0, anchors: 0.0, ..WEIGHTS };
        let places = vec![None; residues.len()];
        // Atoms in a heap could not get past each other.
        let ghosts = Weights { repulsion: 0.0, ..weights };
        model.refine(density, ghosts, &places, 1000, &Monitor::default()).unwrap();
        model.refine(density, weights, &places, 1000, &Monitor::default()).unwrap();
        let after = model.quality().unwrap();
        assert!(before.bond_rms > 0.5 && before.angle_rms > 20.0);
        assert!(after.bond_rms < 0.03 && after.angle_rms < 4.0, "{after:?}");
    }

    #[test]
    fn foreign_atoms_hold_what_is_bound_to_them() {
        let values = vec![0.0; SHAPE.iter().product()];
        let density = Density::new(Volume::new(&values, SHAPE).unwrap(), [1.0; 3]).unwrap();
        let residues = crumpled("AGS", 5);
        let bound = residues[2].atoms[5].unwrap();
        let sugar = [bound[0], bound[1] + 1.4, bound[2]];
        let mut model = Model::new(&residues, vec![sugar]).unwrap();
        let weights = Weights { map: 0.0, anchors: 0.0, ..WEIGHTS };
        model.refine(density, weights, &[None; 3], 500, &Monitor::default()).unwrap();
        let (.., moved) = model.atoms().find(|(residue, slot, _)| (*residue, *slot) == (2, 5)).unwrap();
        assert!((length(&difference(&moved, &sugar)) - 1.4).abs() < 0.2);
    }

    #[test]
    fn bad_models_are_named() {
        let mut residues = crumpled("AG", 0);
        residues[1].atoms[7] = Some([0.0; 3]);
        assert!(matches!(Model::new(&residues, Vec::new()), Err(CoreError::Invalid(m)) if m.contains("slot")));
        residues[1].amino = 20;
        assert!(matches!(Model::new(&residues, Vec::new()), Err(CoreError::Invalid(m)) if m.contains("type 20")));
        let values = vec![0.0; 8];
        let density = Density::new(Volume::new(&values, [2, 2, 2]).unwrap(), [1.0; 3]).unwrap();
        let mut model = Model::new(&crumpled("AG", 0), Vec::new()).unwrap();
        assert!(model.refine(density, WEIGHTS, &[None], 1, &Monitor::default()).is_err());
    }

    #[test]
    fn nothing_is_nothing() {
        let mut model = Model::new(&[], Vec::new()).unwrap();
        let values = vec![0.0; 8];
        let density = Density::new(Volume::new(&values, [2, 2, 2]).unwrap(), [1.0; 3]).unwrap();
        model.refine(density, Weights { repairs: true, ..WEIGHTS }, &[], 5, &Monitor::default()).unwrap();
        assert_eq!(model.quality().unwrap().atoms, 0);
    }
}
