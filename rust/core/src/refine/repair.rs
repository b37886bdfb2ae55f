//! Repair: what no small step can put right, peptides that are turned around and side chains in a wrong rotamer.
//!
//! Every peptide is turned about the line of its two Calphas, and every side chain is given all rotamers of its type;
//! what suits the map, the neighbours and the statistics much better is taken. The minimisation that follows smooths it.

use std::collections::BTreeSet;
use std::f64::consts::TAU;

use rayon::prelude::*;

use crate::chemistry::{AMINO_ACIDS, C, CA, CB, MOST_ATOMS, N, O, type_of};
use crate::vectors::{cross, difference, dot, length, scaled, torsion};
use crate::{CoreError, Monitor, Point};

use super::density::Density;
use super::repulsion::{Around, Repulsion};
use super::restraints::Restraints;
use super::target::{Weights, rotamer_cost, scattering};
use super::topology::{Backbone, SideChain, Topology};

/// Turns of a peptide that are tried.
const TURNS: usize = 12;
/// Least gain for which a peptide is turned or a rotamer changed, in units of the target.
const LEAST_GAIN: f64 = 3.0;

/// Atom in every slot of a residue.
type Slots = [Option<usize>; MOST_ATOMS];

/// Atoms and their new places.
type Moved = Vec<(usize, Point)>;

/// New places of some atoms, and what they gain.
#[derive(Debug, Clone)]
struct Change {
    gain: f64,
    /// Residues that it concerns.
    residues: (usize, usize),
    moved: Moved,
}

/// What a change is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    pub topology: &'a Topology,
    pub restraints: &'a Restraints,
    pub density: Density<'a>,
    pub repulsion: &'a Repulsion,
    pub weights: Weights,
}

/// Turns peptides, then changes rotamers of a model at `positions`.
pub fn repair(judge: Judge<'_>, positions: &mut [Point], monitor: &Monitor) -> Result<(), CoreError> {
    let scene = Scene::new(judge, positions)?;
    let peptide = |r| monitor.check().map(|()| scene.peptide(r));
    let peptides = (0..scene.slots.len().saturating_sub(1)).into_par_iter().map(peptide);
    take(peptides.collect::<Result<_, _>>()?, positions);
    let scene = Scene::new(judge, positions)?;
    let side_chains: Vec<&SideChain> = judge.topology.chunks.iter().flat_map(|c| &c.side_chains).collect();
    let side_chain = |side_chain: &&SideChain| monitor.check().map(|()| scene.side_chain(side_chain));
    let rotamers = side_chains.par_iter().map(side_chain);
    take(rotamers.collect::<Result<_, _>>()?, positions);
    Ok(())
}

/// The model as it is, ready to be asked what a change would gain.
struct Scene<'a> {
    judge: Judge<'a>,
    around: Around,
    slots: Vec<Slots>,
    /// phi and psi of every residue that has them.
    backbones: Vec<Option<Backbone>>,
}

impl<'a> Scene<'a> {
    fn new(judge: Judge<'a>, positions: &[Point]) -> Result<Self, CoreError> {
        let atoms = &judge.topology.atoms;
        let residues = atoms.last().map_or(0, |a| a.residue + 1);
        let (mut slots, mut backbones) = (vec![[None; MOST_ATOMS]; residues], vec![None; residues]);
        for (i, atom) in atoms.iter().enumerate() {
            slots[atom.residue][atom.slot] = Some(i);
        }
        for backbone in judge.topology.chunks.iter().flat_map(|c| &c.backbones) {
            backbones[atoms[backbone.atoms[2]].residue] = Some(*backbone);
        }
        Ok(Self { judge, around: Around::new(judge.repulsion, positions)?, slots, backbones })
    }

    fn point(&self, atom: usize) -> Point {
        self.around.points[atom]
    }

    /// The best turn of the peptide after residue `r`.
    fn peptide(&self, r: usize) -> Option<Change> {
        let (here, next) = (self.backbones[r], self.backbones[r + 1]);
        let (carbon, oxygen, nitrogen) = (self.slots[r][C]?, self.slots[r][O]?, self.slots[r + 1][N]?);
        // The two are linked if the torsions of either reach into the other.
        let linked = here.is_some_and(|b| b.atoms[4] == nitrogen) || next.is_some_and(|b| b.atoms[0] == carbon);
        if !linked || Some(self.judge.topology.atoms[nitrogen].amino) == type_of('P') {
            return None; // the ring of a proline would be torn
        }
        let axis = (self.point(self.slots[r][CA]?), self.point(self.slots[r + 1][CA]?));
        let turned = |angle: f64| -> Moved {
            [carbon, oxygen, nitrogen].map(|i| (i, turn(&self.point(i), axis, angle))).to_vec()
        };
        let cost = |moved: &Moved| {
            let strain: f64 = [here, next].iter().flatten().map(|b| self.strain(b, moved)).sum();
            strain + self.surroundings(moved, (r, r + 1))
        };
        let turns = (1..TURNS).map(|k| turned(TAU * k as f64 / TURNS as f64));
        best((r, r + 1), cost(&turned(0.0)), turns, cost)
    }

    /// The best rotamer of a side chain, if it is much better than what it has.
    fn side_chain(&self, side_chain: &SideChain) -> Option<Change> {
        let SideChain { amino, chi } = side_chain;
        if Some(*amino) == type_of('P') {
            return None; // its ring is closed
        }
        let r = self.judge.topology.atoms[chi[0][0]].residue;
        let rotamers = self.judge.restraints.rotamers(*amino);
        let cost = |moved: &Moved| {
            let angle = |four: &[usize; 4]| {
                let [a, b, c, d] = self.places(*four, moved);
                torsion(&a, &b, &c, &d)
            };
            let angles: Vec<f64> = chi.iter().map(angle).collect();
            self.judge.weights.rotamers * rotamer_cost(*amino, rotamers, &angles) + self.surroundings(moved, (r, r))
        };
        let now: Moved = self.slots[r][CB + 1..].iter().flatten().map(|&i| (i, self.point(i))).collect();
        let built = rotamers.iter().map(|rotamer| self.built(r, *amino, &rotamer.chi));
        best((r, r), cost(&now), built, cost)
    }

    /// Places of the side chain's atoms with the given torsions.
    fn built(&self, r: usize, amino: usize, chi: &[(f64, f64)]) -> Moved {
        let slots = &self.slots[r];
        let mut places = slots.map(|slot| slot.map(|i| self.point(i)));
        for (torsion_slots, (target, _)) in AMINO_ACIDS[amino].chi.iter().zip(chi) {
            let [Some(a), Some(b), Some(c), Some(d)] = torsion_slots.map(|s| places[s]) else { continue };
            let angle = target - torsion(&a, &b, &c, &d);
            for slot in beyond(amino, torsion_slots[1], torsion_slots[2]) {
                places[slot] = places[slot].map(|p| turn(&p, (b, c), angle));
            }
        }
        slots.iter().zip(places).skip(CB + 1).filter_map(|(slot, place)| Some(((*slot)?, place?))).collect()
    }

    /// Places of atoms, some of which have moved.
    fn places<const M: usize>(&self, atoms: [usize; M], moved: &Moved) -> [Point; M] {
        atoms.map(|i| moved.iter().find(|(j, _)| *j == i).map_or_else(|| self.point(i), |(_, p)| *p))
    }

    /// The Ramachandran energy of a residue with atoms moved.
    fn strain(&self, backbone: &Backbone, moved: &Moved) -> f64 {
        let [a, b, c, d, e] = self.places(backbone.atoms, moved);
        let (phi, psi) = (torsion(&a, &b, &c, &d), torsion(&b, &c, &d, &e));
        self.judge.weights.ramachandran * self.judge.restraints.ramachandran.energy(backbone.class, phi, psi).0
    }

    /// Energy of moved atoms in the map and among all others but those of the residues `own`.
    fn surroundings(&self, moved: &Moved, own: (usize, usize)) -> f64 {
        let Judge { topology, density, repulsion, weights, .. } = self.judge;
        let others = |j: usize| topology.atoms.get(j).is_none_or(|a| a.residue != own.0 && a.residue != own.1);
        let of = |(i, point): &(usize, Point)| {
            let overlap = weights.repulsion * repulsion.overlap((*i, point), &self.around, others);
            overlap - weights.map * scattering(topology.atoms[*i].element()) * density.at(point).0
        };
        moved.iter().map(of).sum()
    }
}

/// The cheapest of several `ways`, if it gains enough over what costs `now`.
fn best(
    residues: (usize, usize),
    now: f64,
    ways: impl Iterator<Item = Moved>,
    cost: impl Fn(&Moved) -> f64,
) -> Option<Change> {
    let changes = ways.map(|moved| Change { gain: now - cost(&moved), residues, moved });
    changes.filter(|c| c.gain > LEAST_GAIN).max_by(|a, b| a.gain.total_cmp(&b.gain))
}

/// Applies changes, those that gain most first, unless a neighbour has changed already.
fn take(changes: Vec<Option<Change>>, positions: &mut [Point]) {
    let mut changes: Vec<Change> = changes.into_iter().flatten().collect();
    changes.sort_by(|a, b| b.gain.total_cmp(&a.gain).then(a.residues.cmp(&b.residues)));
    let mut changed = BTreeSet::new();
    for Change { residues: (first, last), moved, .. } in changes {
        if changed.contains(&first) || changed.contains(&last) {
            continue;
        }
        changed.extend([first, last]);
        for (atom, place) in moved {
            positions[atom] = place;
        }
    }
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

/// `point` turned by `angle` about the axis through two points (Rodrigues' formula).
fn turn(point: &Point, (from, to): (Point, Point), angle: f64) -> Point {
    let axis = difference(&to, &from);
    let axis = scaled(&axis, 1.0 / length(&axis).max(1e-9));
    let arm = difference(point, &from);
    let (sine, cosine) = (angle.sin(), angle.cos());
    let side = cross(&axis, &arm);
    let along = dot(&axis, &arm) * (1.0 - cosine);
    std::array::from_fn(|d| from[d] + arm[d] * cosine + side[d] * sine + axis[d] * along)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    #[test]
    fn half_a_turn_about_z() {
        let turned = turn(&[1.0, 2.0, 3.0], ([0.0; 3], [0.0, 0.0, 5.0]), PI);
        assert!(turned.iter().zip([-1.0, -2.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-12));
        let quarter = turn(&[1.0, 0.0, 0.0], ([0.0; 3], [0.0, 0.0, 5.0]), PI / 2.0);
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
