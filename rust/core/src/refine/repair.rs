//! Repair: what no small step can put right, peptides that are turned around and side chains in a wrong rotamer.
//!
//! Every peptide is turned about the line of its two Calphas, and every side chain is given all rotamers of its type;
//! what suits the map, the neighbours and the statistics much better is taken. The minimisation that follows smooths it.

use std::collections::BTreeSet;
use std::f64::consts::{PI, TAU};

use rayon::prelude::*;

use crate::cells::Cells;
use crate::chemistry::{AMINO_ACIDS, C, CA, CB, N, O, type_of};
use crate::{CoreError, Point};

use super::density::Density;
use super::repulsion::{REACH, Repulsion};
use super::restraints::Restraints;
use super::target::{Weights, rotamer_cost, scattering};
use super::topology::{Backbone, SideChain, Topology};
use super::torsion;
use super::vector::{cross, dot, minus, norm, scaled};

/// Turns of a peptide that are tried.
const TURNS: usize = 12;
/// Least gain for which a peptide is turned or a rotamer changed, in units of the target.
const LEAST_GAIN: f64 = 3.0;

/// New places of some atoms, and what they gain.
#[derive(Debug, Clone)]
struct Change {
    gain: f64,
    /// Residues that it concerns.
    residues: (usize, usize),
    moved: Vec<(usize, Point)>,
}

/// What a change is judged by.
pub struct Repair<'a> {
    pub topology: &'a Topology,
    pub restraints: &'a Restraints,
    pub density: Density<'a>,
    pub repulsion: &'a Repulsion,
    pub weights: Weights,
}

impl Repair<'_> {
    /// Turns peptides and changes rotamers of a model at `positions`; returns how many.
    pub fn apply(&self, positions: &mut [Point]) -> Result<(usize, usize), CoreError> {
        let peptides = self.peptides(positions)?;
        let rotamers = self.rotamers(positions)?;
        Ok((peptides, rotamers))
    }

    /// Turns peptides, those that gain most first; of two neighbours, one.
    fn peptides(&self, positions: &mut [Point]) -> Result<usize, CoreError> {
        let backbones = self.backbones();
        let cells = Cells::new(positions, REACH)?;
        let index = self.slots();
        let turned: Vec<Option<Change>> = (0..index.len().saturating_sub(1))
            .into_par_iter()
            .map(|r| self.peptide(r, (&index, &backbones), positions, &cells))
            .collect();
        Ok(take(turned, positions))
    }

    fn rotamers(&self, positions: &mut [Point]) -> Result<usize, CoreError> {
        let cells = Cells::new(positions, REACH)?;
        let index = self.slots();
        let changed: Vec<Option<Change>> = self
            .topology
            .chunks
            .par_iter()
            .flat_map_iter(|chunk| chunk.side_chains.iter().map(|s| self.side_chain(s, &index, positions, &cells)))
            .collect();
        Ok(take(changed, positions))
    }

    /// Atom in every slot of every residue.
    fn slots(&self) -> Vec<[Option<usize>; crate::chemistry::MOST_ATOMS]> {
        let count = self.topology.atoms.last().map_or(0, |a| a.residue + 1);
        let mut slots = vec![[None; crate::chemistry::MOST_ATOMS]; count];
        for (i, atom) in self.topology.atoms.iter().enumerate() {
            slots[atom.residue][atom.slot] = Some(i);
        }
        slots
    }

    /// phi and psi of every residue that has them.
    fn backbones(&self) -> Vec<Option<Backbone>> {
        let mut backbones = vec![None; self.topology.atoms.last().map_or(0, |a| a.residue + 1)];
        for backbone in self.topology.chunks.iter().flat_map(|c| &c.backbones) {
            backbones[self.topology.atoms[backbone.atoms[2]].residue] = Some(*backbone);
        }
        backbones
    }

    /// The best turn of the peptide after residue `r`.
    fn peptide(
        &self,
        r: usize,
        (index, backbones): (&[[Option<usize>; crate::chemistry::MOST_ATOMS]], &[Option<Backbone>]),
        positions: &[Point],
        cells: &Cells,
    ) -> Option<Change> {
        let (here, next) = (backbones[r], backbones[r + 1]);
        here.or(next)?;
        // The two are linked if either has this peptide's C or N among its atoms.
        let (carbon, nitrogen) = (index[r][C]?, index[r + 1][N]?);
        let linked = here.is_some_and(|b| b.atoms[4] == nitrogen) || next.is_some_and(|b| b.atoms[0] == carbon);
        if !linked || Some(self.topology.atoms[nitrogen].amino) == type_of('P') {
            return None;
        }
        let (from, to) = (positions[index[r][CA]?], positions[index[r + 1][CA]?]);
        let atoms = [carbon, index[r][O]?, nitrogen];
        let skip = BTreeSet::from([r, r + 1]);
        let cost = |moved: &[(usize, Point)]| {
            let place = |i: usize| moved.iter().find(|(j, _)| *j == i).map_or(positions[i], |(_, p)| *p);
            let strain: f64 = [here, next].iter().flatten().map(|b| self.strain(b, place)).sum();
            strain + self.surroundings(moved, &skip, positions, cells)
        };
        let turned = |angle: f64| atoms.map(|i| (i, turn(&positions[i], &from, &to, angle))).to_vec();
        let now = cost(&turned(0.0));
        let change = |moved: Vec<(usize, Point)>| Change { gain: now - cost(&moved), residues: (r, r + 1), moved };
        let turns = (1..TURNS).map(|k| change(turned(TAU * k as f64 / TURNS as f64)));
        turns.filter(|c| c.gain > LEAST_GAIN).max_by(|a, b| a.gain.total_cmp(&b.gain))
    }

    /// The Ramachandran energy of a residue with its atoms in new places.
    fn strain(&self, backbone: &Backbone, place: impl Fn(usize) -> Point) -> f64 {
        let [a, b, c, d, e] = backbone.atoms.map(place);
        let (phi, psi) = (torsion::angle(&[a, b, c, d]), torsion::angle(&[b, c, d, e]));
        self.weights.ramachandran * self.restraints.ramachandran.energy(backbone.class, phi, psi).0
    }

    /// Energy of moved atoms in the map and among all others but those of the residues `skip`.
    fn surroundings(
        &self,
        moved: &[(usize, Point)],
        skip: &BTreeSet<usize>,
        positions: &[Point],
        cells: &Cells,
    ) -> f64 {
        let of = |(i, point): &(usize, Point)| {
            let others = |j: usize| !skip.contains(&self.topology.atoms[j].residue);
            let overlap = self.repulsion.overlap((*i, point), positions, cells, others);
            self.weights.repulsion * overlap + self.in_map(*i, point)
        };
        moved.iter().map(of).sum()
    }

    fn in_map(&self, i: usize, point: &Point) -> f64 {
        -self.weights.map * scattering(self.topology.atoms[i].element()) * self.density.at(point).0
    }

    /// The best rotamer of a side chain, if it is much better than what it has.
    fn side_chain(
        &self,
        side_chain: &SideChain,
        index: &[[Option<usize>; crate::chemistry::MOST_ATOMS]],
        positions: &[Point],
        cells: &Cells,
    ) -> Option<Change> {
        if Some(side_chain.amino) == type_of('P') {
            return None; // its ring is closed
        }
        let residue = self.topology.atoms[side_chain.chi[0][0]].residue;
        let atoms: Vec<usize> = index[residue][CB + 1..].iter().flatten().copied().collect();
        let rotamers = self.restraints.rotamers(side_chain.amino);
        let skip = BTreeSet::from([residue]);
        let cost = |moved: &[(usize, Point)]| {
            let place = |i: usize| moved.iter().find(|(j, _)| *j == i).map_or(positions[i], |(_, p)| *p);
            let angles: Vec<f64> = side_chain.chi.iter().map(|four| torsion::angle(&four.map(place))).collect();
            let rare = rotamer_cost(side_chain.amino, rotamers, &angles);
            self.weights.rotamers * rare + self.surroundings(moved, &skip, positions, cells)
        };
        let now = cost(&atoms.iter().map(|&i| (i, positions[i])).collect::<Vec<_>>());
        let change =
            |moved: Vec<(usize, Point)>| Change { gain: now - cost(&moved), residues: (residue, residue), moved };
        let built = rotamers.iter().map(|rotamer| {
            let targets: Vec<f64> = rotamer.chi.iter().map(|(mean, _)| *mean).collect();
            change(self.built(side_chain, &index[residue], &targets, positions))
        });
        built.filter(|c| c.gain > LEAST_GAIN).max_by(|a, b| a.gain.total_cmp(&b.gain))
    }

    /// Places of the side chain's atoms with the given torsions.
    fn built(
        &self,
        side_chain: &SideChain,
        slots: &[Option<usize>; crate::chemistry::MOST_ATOMS],
        targets: &[f64],
        positions: &[Point],
    ) -> Vec<(usize, Point)> {
        let mut places: Vec<Option<Point>> = slots.iter().map(|slot| slot.map(|i| positions[i])).collect();
        for (torsion_slots, target) in AMINO_ACIDS[side_chain.amino].chi.iter().zip(targets) {
            let [Some(a), Some(b), Some(c), Some(d)] = torsion_slots.map(|s| places[s]) else { continue };
            let angle = target - torsion::angle(&[a, b, c, d]);
            for slot in beyond(side_chain.amino, torsion_slots[1], torsion_slots[2]) {
                places[slot] = places[slot].map(|p| turn(&p, &b, &c, angle));
            }
        }
        let moved = slots.iter().zip(&places).skip(CB + 1);
        moved.filter_map(|(slot, place)| Some(((*slot)?, (*place)?))).collect()
    }
}

/// Applies changes, those that gain most first, unless a neighbour has changed already; returns how many.
fn take(changes: Vec<Option<Change>>, positions: &mut [Point]) -> usize {
    let mut changes: Vec<Change> = changes.into_iter().flatten().collect();
    changes.sort_by(|a, b| b.gain.total_cmp(&a.gain).then(a.residues.cmp(&b.residues)));
    let mut changed = BTreeSet::new();
    let mut count = 0;
    for Change { residues: (first, last), moved, .. } in changes {
        if changed.contains(&first) || changed.contains(&last) {
            continue;
        }
        changed.extend([first, last]);
        count += 1;
        for (atom, place) in moved {
            positions[atom] = place;
        }
    }
    count
}

/// Slots beyond the bond from `b` to `c`.
fn beyond(amino: usize, b: usize, c: usize) -> Vec<usize> {
    let mut found = vec![c];
    let mut front = 0;
    while front < found.len() {
        let at = found[front];
        let ends = AMINO_ACIDS[amino].bonds().filter_map(|[p, q]| match (p == at, q == at) {
            (true, _) => Some(q),
            (_, true) => Some(p),
            _ => None,
        });
        let new: Vec<usize> = ends.filter(|s| *s != b && !found.contains(s)).collect();
        found.extend(new);
        front += 1;
    }
    found.split_off(1)
}

/// `point` turned by `angle` about the axis from `from` to `to` (Rodrigues' formula).
fn turn(point: &Point, from: &Point, to: &Point, angle: f64) -> Point {
    let axis = minus(to, from);
    let axis = scaled(&axis, 1.0 / norm(&axis).max(1e-9));
    let arm = minus(point, from);
    let (sine, cosine) = (angle.sin(), angle.cos());
    let side = cross(&axis, &arm);
    let along = dot(&axis, &arm) * (1.0 - cosine);
    std::array::from_fn(|d| from[d] + arm[d] * cosine + side[d] * sine + axis[d] * along)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_turn_about_z() {
        let turned = turn(&[1.0, 2.0, 3.0], &[0.0; 3], &[0.0, 0.0, 5.0], PI);
        assert!(turned.iter().zip([-1.0, -2.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-12));
        let quarter = turn(&[1.0, 0.0, 0.0], &[0.0; 3], &[0.0, 0.0, 5.0], PI / 2.0);
        assert!(quarter.iter().zip([0.0, 1.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn what_lies_beyond_a_bond() {
        let index = |code| type_of(code).unwrap();
        assert_eq!(beyond(index('I'), CA, CB), [5, 6, 7]);
        assert_eq!(beyond(index('I'), CB, 5), [7]);
        assert_eq!(beyond(index('F'), CB, 5).len(), 5);
    }
}
