//! Side chains on main chains: the combination of rotamers that is most usual, runs into nothing and fits the map.
//!
//! Every residue has a few conformations, the rotamers of its type and the same with chi1 turned a little. Their energy
//! is -ln of how usual they are at the residue's phi and psi, plus clashes with all main chains, less the density at
//! their atoms. Two conformations of neighbours may clash as well, or form a disulfide bond. [`packing`] finds the best
//! combination.

use rayon::prelude::*;

use crate::backbone::{MainChain, local_scale};
use crate::cells::{Cells, squared_distance};
use crate::chemistry::{self, AMINO_ACIDS, C, CA, CB, Element, MOST_ATOMS, N};
use crate::field::Field;
use crate::packing::{self, Pair, Problem};
use crate::tables::{Placement, Rotamer, chi1_energies, placements, rotamers};
use crate::vectors::{difference, length, place, scaled, sum, torsion};
use crate::{CoreError, Monitor, Point};

/// Positions of a residue by slot; none where its type has no such atom.
pub type Atoms = [Option<Point>; MOST_ATOMS];

/// Longest peptide bond in Angstrom.
const LONGEST_BOND: f64 = 2.0;
/// Deviations by which chi1 is turned, and what that costs.
const TURNS: [(f64, f64); 3] = [(0.0, 0.0), (-1.0, 0.5), (1.0, 0.5)];
/// Side chains with more chis have enough rotamers as they are.
const TURNED: usize = 2;
/// Conformations so much worse than the best of the residue are left out.
const WORST: f64 = 12.0;
/// Energy of a clash at which atoms are as near as they ever are, and the part of the sum of radii where that is.
const WORST_CLASH: f64 = 3.5;
const NEAREST: f64 = 0.825;
/// Distance of the sulfurs of a disulfide bond in Angstrom, its tolerance with rigid rotamers, and its energy.
const DISULFIDE: f64 = 2.05;
const DISULFIDE_WIDTH: f64 = 0.4;
const DISULFIDE_ENERGY: f64 = -5.0;
/// Sulfurs nearer than this are bonded rather than clashing.
const DISULFIDE_REACH: f64 = 2.9;
/// Energy per atom where the density is as at the main chain around.
const DENSITY_WEIGHT: f64 = 6.0;
/// Residues to either side whose main chains tell how dense the map is.
const AROUND: usize = 8;
/// Reach of the largest clash in Angstrom.
const REACH: f64 = 3.4;

/// Places all side chains.
///
/// Residue `i` has the main chain `main_chains[i]` and the amino acid `types[i]` of [`AMINO_ACIDS`]; consecutive ones are
/// bonded where C and N are near.
pub fn pack(
    main_chains: &[MainChain],
    types: &[u8],
    density: Option<&Field<'_>>,
    monitor: &Monitor,
) -> Result<Vec<Atoms>, CoreError> {
    if main_chains.len() != types.len() || types.iter().any(|&kind| usize::from(kind) >= AMINO_ACIDS.len()) {
        return Err(CoreError::Invalid("every main chain needs a type of 0 to 19".into()));
    }
    let fixed = Fixed::new(main_chains, types, density)?;
    monitor.begin(types.len());
    let count = |i: usize| {
        monitor.advance(1)?;
        Ok(fixed.conformations(i))
    };
    let choices: Result<Vec<Vec<Conformation>>, CoreError> = (0..types.len()).into_par_iter().map(count).collect();
    let choices = choices?;
    let own = choices.iter().map(|all| all.iter().map(|c| c.energy).collect()).collect();
    let problem = Problem { own, pairs: interactions(&choices, monitor)? };
    let chosen = packing::solve(&problem, monitor)?;
    Ok((0..types.len()).map(|i| fixed.complete(i, &choices[i][chosen[i]])).collect())
}

/// What does not move: main chains and Cbetas.
struct Fixed<'a> {
    main_chains: &'a [MainChain],
    types: &'a [u8],
    betas: Vec<Option<Point>>,
    cells: Cells,
    atoms: Vec<(usize, Ball)>,
    density: Option<&'a Field<'a>>,
    scale: Vec<f64>,
}

/// An atom that runs into others.
#[derive(Debug, Clone, Copy)]
struct Ball {
    at: Point,
    radius: f64,
    sulfur: bool,
}

impl Ball {
    /// Radii of Canutescu, Shelenkov and Dunbrack (Protein Science 2003).
    fn new(at: Point, element: Element) -> Self {
        let radius = match element {
            Element::Carbon => 1.6,
            Element::Nitrogen | Element::Oxygen => 1.3,
            Element::Sulfur => 1.7,
        };
        Self { at, radius, sulfur: element == Element::Sulfur }
    }

    /// Energy of two atoms of different residues.
    fn energy(&self, other: &Self) -> f64 {
        let squared = squared_distance(&self.at, &other.at);
        let touch = self.radius + other.radius;
        if squared >= touch * touch {
            return 0.0;
        }
        let distance = squared.sqrt();
        if self.sulfur && other.sulfur && distance < DISULFIDE_REACH {
            let off = (distance - DISULFIDE) / DISULFIDE_WIDTH;
            return DISULFIDE_ENERGY * (1.0 - off * off).max(-1.0);
        }
        WORST_CLASH * ((1.0 - distance / touch) / (1.0 - NEAREST)).min(1.0)
    }
}

/// One way that a side chain can be.
#[derive(Debug, Clone)]
struct Conformation {
    energy: f64,
    /// Atoms beyond Cbeta in the order of their slots.
    balls: Vec<Ball>,
    room: Room,
}

impl<'a> Fixed<'a> {
    fn new(main_chains: &'a [MainChain], types: &'a [u8], density: Option<&'a Field<'a>>) -> Result<Self, CoreError> {
        let betas: Vec<Option<Point>> = main_chains.iter().zip(types).map(|(own, &kind)| beta(own, kind)).collect();
        let own =
            |i: usize| main_chains[i].into_iter().chain(betas[i]).enumerate().map(move |(slot, at)| (i, slot, at));
        let atoms: Vec<(usize, Ball)> = (0..types.len())
            .flat_map(own)
            .map(|(i, slot, at)| (i, Ball::new(at, AMINO_ACIDS[usize::from(types[i])].element(slot))))
            .collect();
        let cells = Cells::new(&atoms.iter().map(|(_, ball)| ball.at).collect::<Vec<_>>(), REACH)?;
        let mean = |own: &MainChain, field: &Field<'_>| own.iter().map(|p| field.at(p)).sum::<f64>() / 4.0;
        let scale = density.map_or_else(Vec::new, |field| {
            local_scale(&main_chains.iter().map(|own| mean(own, field)).collect::<Vec<_>>(), AROUND)
        });
        Ok(Self { main_chains, types, betas, cells, atoms, density, scale })
    }

    /// All conformations of a residue that are worth looking at; at least one.
    fn conformations(&self, i: usize) -> Vec<Conformation> {
        let usual = self.usual(i);
        let mut all: Vec<Conformation> = usual.iter().map(|(energy, chi)| self.conformation(i, *energy, chi)).collect();
        let least = all.iter().map(|c| c.energy).fold(f64::INFINITY, f64::min);
        all.retain(|c| c.energy <= least + WORST);
        all
    }

    /// How unusual the chis of a residue are; one set without any where none turns.
    fn usual(&self, i: usize) -> Vec<(f64, [f64; 4])> {
        let all: Vec<Rotamer> = rotamers(self.types[i]).collect();
        let mut share = [0.0; 3];
        for rotamer in &all {
            share[rotamer.well()] += rotamer.frequency;
        }
        let chi1 = self.phi_psi(i).map(|[phi, psi]| chi1_energies(self.types[i], phi, psi));
        let energy = |r: &Rotamer| match chi1 {
            Some(energies) => energies[r.well()] - (r.frequency / share[r.well()]).ln(),
            None => -r.frequency.ln(),
        };
        let turned = |r: &Rotamer, &(turn, cost): &(f64, f64)| {
            let mut chi = r.chi;
            chi[0] += turn * r.deviation[0];
            (energy(r) + cost, chi)
        };
        if all.is_empty() {
            return vec![(0.0, [0.0; 4])];
        }
        let turns = if AMINO_ACIDS[usize::from(self.types[i])].chi.len() <= TURNED { &TURNS[..] } else { &TURNS[..1] };
        all.iter().flat_map(|r| turns.iter().map(move |t| turned(r, t))).collect()
    }

    fn bonded(&self, before: usize, after: usize) -> bool {
        length(&difference(&self.main_chains[after][N], &self.main_chains[before][C])) < LONGEST_BOND
    }

    /// Phi and psi of a residue between two others that has chis.
    fn phi_psi(&self, i: usize) -> Option<[f64; 2]> {
        let before = i.checked_sub(1).filter(|&b| self.bonded(b, i))?;
        let after = Some(i + 1).filter(|&a| a < self.types.len() && self.bonded(i, a))?;
        let [n, calpha, c, _] = &self.main_chains[i];
        let (c_before, n_after) = (&self.main_chains[before][C], &self.main_chains[after][N]);
        Some([torsion(c_before, n, calpha, c), torsion(n, calpha, c, n_after)])
    }

    fn conformation(&self, i: usize, usual: f64, chi: &[f64; 4]) -> Conformation {
        let acid = &AMINO_ACIDS[usize::from(self.types[i])];
        let atoms = self.built(i, chi);
        let beyond = atoms.iter().enumerate().skip(CB + 1);
        let balls: Vec<Ball> = beyond.filter_map(|(slot, at)| at.map(|at| Ball::new(at, acid.element(slot)))).collect();
        let energy = usual + balls.iter().map(|ball| self.clashes(i, ball)).sum::<f64>() - self.fit(i, &balls);
        Conformation { energy, room: Room::around(&balls.iter().map(|b| b.at).collect::<Vec<_>>()), balls }
    }

    /// The residue with its side chain at these chis.
    fn built(&self, i: usize, chi: &[f64; 4]) -> Atoms {
        let mut atoms = [None; MOST_ATOMS];
        for (slot, at) in self.main_chains[i].iter().chain(&self.betas[i]).enumerate() {
            atoms[slot] = Some(*at);
        }
        for placement in placements(self.types[i]).skip(1) {
            atoms[placement.slot] = built_on(&atoms, &placement, chi);
        }
        atoms
    }

    /// Clashes of an atom with main chains and Cbetas of other residues.
    fn clashes(&self, i: usize, ball: &Ball) -> f64 {
        // The ring of proline is bonded to its own N, and so near to the residue before.
        let proline = chemistry::type_of('P') == Some(usize::from(self.types[i]));
        let others = self.cells.near(&ball.at, 1).map(|a| &self.atoms[a]);
        others.filter(|(j, _)| *j != i && !(proline && j + 1 == i)).map(|(_, other)| ball.energy(other)).sum()
    }

    fn fit(&self, i: usize, balls: &[Ball]) -> f64 {
        self.density.map_or(0.0, |field| {
            balls.iter().map(|ball| field.at(&ball.at)).sum::<f64>() * DENSITY_WEIGHT / self.scale[i]
        })
    }

    fn complete(&self, i: usize, chosen: &Conformation) -> Atoms {
        let mut atoms = self.built(i, &[0.0; 4]);
        for (slot, ball) in chosen.balls.iter().enumerate() {
            atoms[CB + 1 + slot] = Some(ball.at);
        }
        atoms
    }
}

/// Cbeta of a residue, if its type has one.
fn beta(own: &MainChain, kind: u8) -> Option<Point> {
    let at = placements(kind).next()?;
    Some(place(&own[N], &own[C], &own[CA], [at.bond, at.angle, at.torsion]))
}

fn built_on(atoms: &Atoms, placement: &Placement, chi: &[f64; 4]) -> Option<Point> {
    let [a, b, c] = placement.on.map(|slot| atoms[slot]);
    let turn = placement.torsion + placement.chi.map_or(0.0, |k| chi[k]);
    Some(place(&a?, &b?, &c?, [placement.bond, placement.angle, turn]))
}

/// A sphere around atoms.
#[derive(Debug, Clone, Copy)]
struct Room {
    centre: Point,
    radius: f64,
}

impl Room {
    fn around(points: &[Point]) -> Self {
        let total = points.iter().fold([0.0; 3], |total, p| sum(&total, p));
        let centre = scaled(&total, 1.0 / points.len().max(1) as f64);
        let squared = points.iter().map(|p| squared_distance(p, &centre)).fold(0.0, f64::max);
        Self { centre, radius: squared.sqrt() }
    }

    /// Whether atoms in the two may touch.
    fn touches(&self, other: &Self) -> bool {
        let reach = self.radius + other.radius + REACH;
        squared_distance(&self.centre, &other.centre) < reach * reach
    }
}

/// A sphere around all conformations of a residue; none where it has no atoms beyond Cbeta.
fn room(choices: &[Conformation]) -> Option<Room> {
    let all: Vec<Point> = choices.iter().flat_map(|c| c.balls.iter().map(|b| b.at)).collect();
    (!all.is_empty()).then(|| Room::around(&all))
}

/// Energies of all residues that can touch.
fn interactions(choices: &[Vec<Conformation>], monitor: &Monitor) -> Result<Vec<Pair>, CoreError> {
    let rooms: Vec<(usize, Room)> = choices.iter().enumerate().filter_map(|(i, all)| Some((i, room(all)?))).collect();
    let centres: Vec<Point> = rooms.iter().map(|(_, room)| room.centre).collect();
    let widest = rooms.iter().map(|(_, room)| room.radius).fold(0.0, f64::max);
    let cells = Cells::new(&centres, 2.0 * widest + REACH)?;
    let of = |a: usize| {
        monitor.check()?;
        let (i, own) = &rooms[a];
        let mut near: Vec<usize> = cells.near(&own.centre, 1).filter(|&b| b > a).collect();
        near.sort_unstable();
        let touching = near.into_iter().map(|b| &rooms[b]).filter(|(_, other)| own.touches(other));
        Ok(touching.filter_map(|(j, _)| pair(*i, *j, choices)).collect())
    };
    let found: Result<Vec<Vec<Pair>>, CoreError> = (0..rooms.len()).into_par_iter().map(of).collect();
    Ok(found?.into_iter().flatten().collect())
}

/// Energies of two residues; none where they never touch.
fn pair(first: usize, second: usize, choices: &[Vec<Conformation>]) -> Option<Pair> {
    let between = |a: &Conformation, b: &Conformation| {
        if !a.room.touches(&b.room) {
            return 0.0;
        }
        a.balls.iter().flat_map(|p| b.balls.iter().map(move |q| p.energy(q))).sum::<f64>()
    };
    let energy: Vec<f64> =
        choices[first].iter().flat_map(|a| choices[second].iter().map(move |b| between(a, b))).collect();
    energy.iter().any(|e| *e != 0.0).then_some(Pair { first, second, energy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chemistry::type_of;

    fn kind(code: char) -> u8 {
        type_of(code).unwrap() as u8
    }

    /// A main chain in its plane.
    fn main_chain(shift: Point) -> MainChain {
        [[1.458, 0.0, 0.0], [0.0; 3], [-0.55, 1.42, 0.0], [0.2, 2.4, 0.2]].map(|p| sum(&p, &shift))
    }

    #[test]
    fn every_type_gets_its_atoms_with_the_right_hand() {
        for (kind, acid) in AMINO_ACIDS.iter().enumerate() {
            let atoms = pack(&[main_chain([0.0; 3])], &[kind as u8], None, &Monitor::default()).unwrap()[0];
            assert_eq!(atoms.iter().flatten().count(), acid.atoms.len());
            for [a, b] in acid.bonds() {
                let bond = length(&difference(&atoms[a].unwrap(), &atoms[b].unwrap()));
                let ring = if acid.atoms[a] == "CD" && b == N { 0.5 } else { 0.15 };
                assert!((bond - 1.5).abs() < 0.35 + ring, "{} {}: {bond}", acid.atoms[a], acid.atoms[b]);
            }
            if let Some(beta) = atoms[CB] {
                let improper = torsion(&atoms[N].unwrap(), &atoms[C].unwrap(), &atoms[CA].unwrap(), &beta);
                assert!((2.0..2.3).contains(&improper), "L amino acids only");
            }
        }
    }

    #[test]
    fn cysteines_within_reach_form_a_bond() {
        let mut turned = main_chain([0.0; 3]);
        let beta = beta(&turned, kind('C')).unwrap();
        let out = scaled(&beta, 2.0 * (length(&beta) + 1.85) / length(&beta));
        // The second residue is the first one after half a turn about the line along which one of its sulfurs lies.
        let chi1: [f64; 3] = [1.81, 114.0_f64.to_radians(), -65.0_f64.to_radians()];
        let sulfur = place(&turned[N], &turned[CA], &beta, chi1);
        let aside = crate::vectors::across(&difference(&sulfur, &beta), &crate::vectors::unit(&out));
        for p in &mut turned {
            let along = crate::vectors::dot(p, &aside);
            *p = sum(&out, &difference(&scaled(&aside, 2.0 * along), p));
        }
        let both = [main_chain([0.0; 3]), turned];
        let atoms = pack(&both, &[kind('C'); 2], None, &Monitor::default()).unwrap();
        let distance = length(&difference(&atoms[0][5].unwrap(), &atoms[1][5].unwrap()));
        assert!((distance - DISULFIDE).abs() < 0.5, "{distance}");
    }

    #[test]
    fn nothing_to_pack_and_what_is_no_type() {
        assert!(pack(&[], &[], None, &Monitor::default()).unwrap().is_empty());
        assert!(pack(&[main_chain([0.0; 3])], &[20], None, &Monitor::default()).is_err());
        assert!(pack(&[main_chain([0.0; 3])], &[], None, &Monitor::default()).is_err());
    }
}
