//! Atoms that are not bonded keep apart.

use rayon::prelude::*;

use crate::cells::{Cells, squared_distance};
use crate::chemistry::{AMINO_ACIDS, C, Element, type_of};
use crate::vectors::{add, difference};
use crate::{CoreError, Point};

use super::topology::{Atom, Topology};

/// Angstrom beyond contact up to which neighbours are listed; the list holds until an atom moved half of it.
const SKIN: f64 = 1.0;
/// Greatest distance at which two atoms touch.
pub const REACH: f64 = 3.6;
/// How much nearer two atoms may come that can share a hydrogen.
const HYDROGEN_BOND: f64 = 0.2;
/// Distance that atoms of other molecules are kept at; what starts nearer is bound to them, and left alone.
const FOREIGN: f64 = 3.0;
/// Foreign atoms nearer than this are bonds or hold a metal; their distance is kept.
const BOUND: f64 = 2.6;
/// Atoms whose neighbours are looked for together.
const CHUNK: usize = 512;
/// An overlap of the van der Waals spheres by more than this is a clash (`MolProbity`).
const CLASH: f64 = 0.4;

/// Distances at which two kinds of atoms touch.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Half of the contact distance that the refinement keeps; carbons stand for their hydrogens too.
    contact: f64,
    /// Van der Waals radius (`MolProbity`: Word et al., J. Mol. Biol. 285 (1999) 1711).
    radius: f64,
    polar: bool,
}

/// Carbons beyond the main chain without a hydrogen, by type.
const BARE: &[(char, &[&str])] = &[
    ('D', &["CG"]),
    ('E', &["CD"]),
    ('F', &["CG"]),
    ('H', &["CG"]),
    ('N', &["CG"]),
    ('Q', &["CD"]),
    ('R', &["CZ"]),
    ('W', &["CG", "CD2", "CE2"]),
    ('Y', &["CG", "CZ"]),
];

fn size_of(atom: &Atom) -> Size {
    let name = AMINO_ACIDS[atom.amino].atoms[atom.slot];
    let in_table = |(code, names): &(char, &[&str])| type_of(*code) == Some(atom.amino) && names.contains(&name);
    match atom.element() {
        Element::Carbon if atom.slot == C || BARE.iter().any(in_table) => {
            Size { contact: 1.65, radius: 1.65, polar: false }
        }
        Element::Carbon => Size { contact: 1.90, radius: 1.70, polar: false },
        Element::Nitrogen => Size { contact: 1.50, radius: 1.55, polar: true },
        Element::Oxygen => Size { contact: 1.40, radius: 1.40, polar: true },
        Element::Sulfur => Size { contact: 1.75, radius: 1.80, polar: false },
    }
}

/// All atoms where they are, the foreign ones last, and in cells.
#[derive(Debug)]
pub struct Around {
    pub points: Vec<Point>,
    cells: Cells,
}

impl Around {
    /// The atoms of a model at `positions`, and those that `repulsion` knows around it.
    pub fn new(repulsion: &Repulsion, positions: &[Point]) -> Result<Self, CoreError> {
        let points: Vec<Point> = positions.iter().chain(&repulsion.foreign).copied().collect();
        let cells = Cells::new(&points, REACH)?;
        Ok(Self { points, cells })
    }
}

/// The neighbours of every atom, and how far from them it keeps.
#[derive(Debug)]
pub struct Repulsion {
    sizes: Vec<Size>,
    /// Atoms within three bonds, per atom.
    near_by_bonds: Vec<Vec<usize>>,
    /// Atoms of other molecules, which do not move.
    foreign: Vec<Point>,
    /// Per atom, those of `foreign` that it is bound to.
    bound: Vec<Vec<usize>>,
    neighbours: Vec<Vec<Neighbour>>,
    /// Where the atoms were when the neighbours were listed.
    listed_at: Vec<Point>,
}

#[derive(Debug, Clone, Copy)]
struct Neighbour {
    /// Index of an atom, or of one of `foreign` beyond their number.
    index: u32,
    /// Distance that is kept.
    apart: f32,
}

impl Repulsion {
    /// Repulsion of the atoms of a model from each other and from `foreign` atoms.
    pub fn new(topology: &Topology, positions: &[Point], foreign: Vec<Point>) -> Result<Self, CoreError> {
        let mut new = Self {
            sizes: topology.atoms.iter().map(size_of).collect(),
            near_by_bonds: topology.near_by_bonds(),
            foreign,
            bound: vec![Vec::new(); positions.len()],
            neighbours: Vec::new(),
            listed_at: Vec::new(),
        };
        let cells = Cells::new(&new.foreign, FOREIGN)?;
        for (bound, point) in new.bound.iter_mut().zip(positions) {
            let touches = |f: &usize| squared_distance(&new.foreign[*f], point) < FOREIGN * FOREIGN;
            bound.extend(cells.near(point, 1).filter(touches));
        }
        new.list(positions)?;
        Ok(new)
    }

    /// Lists the neighbours anew if an atom came so far that the old list may lack one.
    pub fn update(&mut self, positions: &[Point]) -> Result<(), CoreError> {
        let limit = (SKIN / 2.0) * (SKIN / 2.0);
        if self.listed_at.iter().zip(positions).any(|(a, b)| squared_distance(a, b) > limit) {
            self.list(positions)?;
        }
        Ok(())
    }

    fn list(&mut self, positions: &[Point]) -> Result<(), CoreError> {
        let all: Vec<Point> = positions.iter().chain(&self.foreign).copied().collect();
        let cells = Cells::new(&all, REACH + SKIN)?;
        let near = |i: usize| self.around(i, &all, &cells);
        self.neighbours = (0..positions.len()).into_par_iter().with_min_len(CHUNK).map(near).collect();
        self.listed_at = positions.to_vec();
        Ok(())
    }

    fn around(&self, i: usize, all: &[Point], cells: &Cells) -> Vec<Neighbour> {
        let neighbour = |j: usize| {
            let apart = self.kept_apart(i, j)?;
            let reach = apart + SKIN;
            let near = squared_distance(&all[i], &all[j]) < reach * reach;
            near.then_some(Neighbour { index: j as u32, apart: apart as f32 })
        };
        cells.near(&all[i], 1).filter_map(neighbour).collect()
    }

    /// Distance that atom `i` keeps from atom `j`, a foreign one beyond the own; None if a bond says how far it is.
    fn kept_apart(&self, i: usize, j: usize) -> Option<f64> {
        if let Some(foreign) = j.checked_sub(self.sizes.len()) {
            return (!self.bound[i].contains(&foreign)).then_some(FOREIGN);
        }
        if self.near_by_bonds[i].binary_search(&j).is_ok() {
            return None;
        }
        let (a, b) = (self.sizes[i], self.sizes[j]);
        Some(a.contact + b.contact - if a.polar && b.polar { HYDROGEN_BOND } else { 0.0 })
    }

    /// Energy of atom `i`, half of that which it shares with other atoms, and its gradient.
    #[must_use]
    pub fn of_atom(&self, i: usize, positions: &[Point]) -> (f64, Point) {
        let (mut energy, mut gradient) = (0.0, [0.0; 3]);
        for neighbour in &self.neighbours[i] {
            let (j, apart) = (neighbour.index as usize, f64::from(neighbour.apart));
            let (other, share) = match positions.get(j) {
                Some(other) => (other, 0.5),
                None => (&self.foreign[j - positions.len()], 1.0),
            };
            let between = difference(&positions[i], other);
            let squared = between.iter().map(|v| v * v).sum::<f64>();
            if squared >= apart * apart {
                continue;
            }
            let distance = squared.sqrt();
            let overlap = apart - distance;
            energy += share * 0.5 * overlap * overlap;
            if distance > 1e-6 {
                add(&mut gradient, &between, -overlap / distance);
            }
        }
        (energy, gradient)
    }

    /// Half the squared overlap of atom `i`, moved to `point`, with the atoms that `counts` lets through.
    pub fn overlap(&self, (i, point): (usize, &Point), around: &Around, counts: impl Fn(usize) -> bool) -> f64 {
        let with = |j: usize| {
            let squared = squared_distance(point, &around.points[j]);
            if squared >= REACH * REACH || !counts(j) {
                return 0.0;
            }
            let overlap = self.kept_apart(i, j).map_or(0.0, |apart| (apart - squared.sqrt()).max(0.0));
            0.5 * overlap * overlap
        };
        around.cells.near(point, 1).map(with).sum()
    }

    /// Atoms of the model with the foreign ones that they are bound to, and how far these are.
    #[must_use]
    pub fn bonds_to_foreign(&self, positions: &[Point]) -> Vec<(usize, Point, f64)> {
        let of = |(i, bound): (usize, &Vec<usize>)| -> Vec<(usize, Point, f64)> {
            let place = |f: &usize| (i, self.foreign[*f], squared_distance(&positions[i], &self.foreign[*f]).sqrt());
            bound.iter().map(place).filter(|(.., apart)| *apart < BOUND).collect()
        };
        self.bound.iter().enumerate().flat_map(of).collect()
    }

    /// Pairs of atoms of the model whose spheres overlap too much.
    #[must_use]
    pub fn clashes(&self, positions: &[Point]) -> usize {
        let clash = |i: usize, j: usize| {
            let (a, b) = (self.sizes[i], self.sizes[j]);
            let allowed = CLASH + if a.polar && b.polar { HYDROGEN_BOND } else { 0.0 };
            let least = a.radius + b.radius - allowed;
            squared_distance(&positions[i], &positions[j]) < least * least
        };
        let of_atom = |(i, list): (usize, &Vec<Neighbour>)| {
            let later = list.iter().map(|n| n.index as usize).filter(|&j| j > i && j < positions.len());
            later.filter(|&j| clash(i, j)).count()
        };
        self.neighbours.iter().enumerate().map(of_atom).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::restraints::Restraints;
    use super::super::tests::crumpled;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn neighbours_are_all_that_touch(seed in 0..200_u64) {
            let residues = crumpled("ACDEFGHIKLMNPQRSTVWY", seed);
            let restraints = Restraints::read().unwrap();
            let (topology, positions) = Topology::new(&residues, &restraints).unwrap();
            let foreign = vec![[4.0, 2.0, 1.0], [10.0, -2.0, 0.5]];
            let repulsion = Repulsion::new(&topology, &positions, foreign.clone()).unwrap();
            let near = topology.near_by_bonds();
            for i in 0..positions.len() {
                let mut energy = 0.0;
                for j in (0..positions.len()).filter(|j| !near[i].contains(j)) {
                    let (a, b) = (size_of(&topology.atoms[i]), size_of(&topology.atoms[j]));
                    let apart = a.contact + b.contact - if a.polar && b.polar { 0.2 } else { 0.0 };
                    energy += 0.25 * (apart - squared_distance(&positions[i], &positions[j]).sqrt()).max(0.0).powi(2);
                }
                // Both foreign atoms are either bound or out of reach at the start.
                prop_assert!((energy - repulsion.of_atom(i, &positions).0).abs() < 1e-4 * (1.0 + energy));
            }
        }
    }

    #[test]
    fn foreign_atoms_push_what_comes_near_later() {
        let residues = crumpled("A", 1);
        let restraints = Restraints::read().unwrap();
        let (topology, mut positions) = Topology::new(&residues, &restraints).unwrap();
        let mut repulsion = Repulsion::new(&topology, &positions, vec![[30.0, 0.0, 0.0]]).unwrap();
        assert!(repulsion.bonds_to_foreign(&positions).is_empty());
        positions[1] = [28.0, 0.0, 0.0];
        repulsion.update(&positions).unwrap();
        let (energy, gradient) = repulsion.of_atom(1, &positions);
        assert!((energy - 0.5).abs() < 1e-6 && (gradient[0] - 1.0).abs() < 1e-6);
    }
}
