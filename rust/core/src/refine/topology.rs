//! The atoms of a model and all terms of its geometry, in chunks of residues that are evaluated side by side.

use std::ops::Range;

use crate::chemistry::{AMINO_ACIDS, C, CA, CB, Element, MOST_ATOMS, N, type_of};
use crate::tables::Class;
use crate::vectors::{difference, length, torsion};
use crate::{CoreError, Point};

use super::restraints::{Kind, Link, Place, Restraint, Restraints};

/// Residues of a chunk.
const CHUNK: usize = 32;
/// Calphas of linked residues are nearer than this many Angstrom, and so are C and N where one lacks a Calpha.
const LONGEST_STEP: f64 = 4.8;
const LONGEST_PEPTIDE: f64 = 2.5;
/// Sulfurs of a disulfide are nearer than this many Angstrom before, and as far apart as this after the refinement
/// (Engh and Huber, 1991), and the distance over two bonds.
const LONGEST_DISULFIDE: f64 = 2.6;
const DISULFIDE: (f64, f64) = (2.03, 0.02);
const OVER_DISULFIDE: (f64, f64) = (3.05, 0.05);
/// A peptide before any residue but proline is cis only if its omega is this near to 0, in degrees.
const SURELY_CIS: f64 = 30.0;

/// A residue as it comes in.
#[derive(Debug, Clone)]
pub struct Residue {
    /// Type index.
    pub amino: usize,
    /// Chain index.
    pub chain: usize,
    /// Number in the chain; the next residue has the next number.
    pub number: i64,
    pub atoms: [Option<Point>; MOST_ATOMS],
}

/// One atom of the model.
#[derive(Debug, Clone, Copy)]
pub struct Atom {
    pub residue: usize,
    pub slot: usize,
    pub amino: usize,
}

impl Atom {
    /// What the atom is made of.
    #[must_use]
    pub fn element(&self) -> Element {
        AMINO_ACIDS[self.amino].element(self.slot)
    }
}

/// A harmonic restraint of a distance.
#[derive(Debug, Clone, Copy)]
pub struct Distance {
    pub atoms: [usize; 2],
    pub mean: f64,
    pub deviation: f64,
}

/// A harmonic restraint of a signed volume: hand of a centre (the first atom), or flatness (mean 0).
#[derive(Debug, Clone, Copy)]
pub struct Volume {
    pub atoms: [usize; 4],
    pub mean: f64,
    pub deviation: f64,
}

/// phi and psi of a residue: C of the one before, N, CA, C, N of the one after.
#[derive(Debug, Clone, Copy)]
pub struct Backbone {
    pub atoms: [usize; 5],
    pub class: Class,
}

/// The side-chain torsions of a residue.
#[derive(Debug, Clone)]
pub struct SideChain {
    pub amino: usize,
    pub chi: Vec<[usize; 4]>,
}

/// Three bonded atoms and the angle at the middle one, in radians.
#[derive(Debug, Clone, Copy)]
pub struct Angle {
    pub atoms: [usize; 3],
    pub mean: f64,
}

/// Terms of consecutive residues; they touch the atoms of `window` only.
#[derive(Debug, Default)]
pub struct Chunk {
    pub window: Range<usize>,
    pub distances: Vec<Distance>,
    pub volumes: Vec<Volume>,
    pub backbones: Vec<Backbone>,
    pub side_chains: Vec<SideChain>,
}

/// The model as the refinement sees it.
#[derive(Debug)]
pub struct Topology {
    pub atoms: Vec<Atom>,
    pub chunks: Vec<Chunk>,
    /// Distances between residues that are no neighbours in the chain.
    pub disulfides: Vec<Distance>,
    pub bonds: Vec<Distance>,
    pub angles: Vec<Angle>,
}

impl Topology {
    /// Sets the terms up for `residues`, in the order of their chains; their atoms' positions tell what is linked how.
    pub fn new(residues: &[Residue], restraints: &Restraints) -> Result<(Self, Vec<Point>), CoreError> {
        check(residues)?;
        let mut index = vec![[None; MOST_ATOMS]; residues.len()];
        let (mut atoms, mut positions) = (Vec::new(), Vec::new());
        for (r, residue) in residues.iter().enumerate() {
            for (slot, point) in residue.atoms.iter().enumerate() {
                if let Some(point) = point {
                    index[r][slot] = Some(atoms.len());
                    atoms.push(Atom { residue: r, slot, amino: residue.amino });
                    positions.push(*point);
                }
            }
        }
        let mut builder = Builder { residues, restraints, index, bonds: Vec::new(), over_two: Vec::new() };
        let ends: Vec<usize> = (0..=residues.len()).map(|r| atoms.partition_point(|a| a.residue < r)).collect();
        let first = |c: usize| (c * CHUNK).min(residues.len());
        let chunks =
            (0..residues.len().div_ceil(CHUNK)).map(|c| builder.chunk(first(c)..first(c + 1), &ends)).collect();
        let disulfides = builder.disulfides();
        let Builder { bonds, over_two, .. } = builder;
        let angles = angles(&bonds, &over_two, atoms.len());
        Ok((Self { atoms, chunks, disulfides, bonds, angles }, positions))
    }

    /// For every atom, those within three bonds of it, ascending.
    #[must_use]
    pub fn near_by_bonds(&self) -> Vec<Vec<usize>> {
        let mut beside = vec![Vec::new(); self.atoms.len()];
        for bond in &self.bonds {
            let [a, b] = bond.atoms;
            beside[a].push(b);
            beside[b].push(a);
        }
        let near = |start: usize| {
            let mut found = vec![start];
            let mut front = 0;
            for _ in 0..3 {
                let shell = front..found.len();
                front = found.len();
                let next: Vec<usize> = shell.flat_map(|i| beside[found[i]].clone()).collect();
                for atom in next {
                    if !found.contains(&atom) {
                        found.push(atom);
                    }
                }
            }
            found.sort_unstable();
            found
        };
        (0..self.atoms.len()).map(near).collect()
    }
}

fn check(residues: &[Residue]) -> Result<(), CoreError> {
    for (r, residue) in residues.iter().enumerate() {
        let Some(acid) = AMINO_ACIDS.get(residue.amino) else {
            return Err(CoreError::Invalid(format!("residue {r} has type {}; types are 0 to 19", residue.amino)));
        };
        if residue.atoms[acid.atoms.len()..].iter().any(Option::is_some) {
            return Err(CoreError::Invalid(format!("residue {r} has an atom in a slot that its type does not use")));
        }
    }
    Ok(())
}

/// What is known while the terms are made.
struct Builder<'a> {
    residues: &'a [Residue],
    restraints: &'a Restraints,
    index: Vec<[Option<usize>; MOST_ATOMS]>,
    bonds: Vec<Distance>,
    /// Three bonded atoms, and the distance of the outer two.
    over_two: Vec<([usize; 3], f64)>,
}

/// The angles that distances over two bonds stand for.
fn angles(bonds: &[Distance], over_two: &[([usize; 3], f64)], atoms: usize) -> Vec<Angle> {
    let mut beside = vec![Vec::new(); atoms];
    for Distance { atoms: [a, b], mean, .. } in bonds {
        beside[*a].push((*b, *mean));
        beside[*b].push((*a, *mean));
    }
    let length = |a: usize, b: usize| beside[a].iter().find(|(other, _)| *other == b).map(|(_, mean)| *mean);
    let angle = |&(atoms, across): &([usize; 3], f64)| {
        let (one, two) = (length(atoms[1], atoms[0])?, length(atoms[1], atoms[2])?);
        let cosine: f64 = (one * one + two * two - across * across) / (2.0 * one * two);
        Some(Angle { atoms, mean: cosine.clamp(-1.0, 1.0).acos() })
    };
    over_two.iter().filter_map(angle).collect()
}

impl Builder<'_> {
    fn chunk(&mut self, residues: Range<usize>, ends: &[usize]) -> Chunk {
        let last = (residues.end + 2).min(self.residues.len());
        let mut chunk = Chunk { window: ends[residues.start]..ends[last], ..Chunk::default() };
        for r in residues {
            let (restraints, amino) = (self.restraints, self.residues[r].amino);
            self.add(&mut chunk, r, restraints.within(amino));
            if let Some(link) = self.link(r) {
                self.add(&mut chunk, r, restraints.across(link));
            }
            chunk.backbones.extend(self.backbone(r));
            chunk.side_chains.extend(self.side_chain(r));
        }
        chunk
    }

    fn atom(&self, residue: usize, slot: usize) -> Option<usize> {
        self.index.get(residue).and_then(|atoms| atoms[slot])
    }

    fn point(&self, residue: usize, slot: usize) -> Option<Point> {
        self.residues.get(residue).and_then(|r| r.atoms[slot])
    }

    /// Adds all restraints of a table whose atoms are there.
    fn add(&mut self, chunk: &mut Chunk, residue: usize, table: &[Restraint]) {
        for restraint in table {
            let place = |p: &Place| self.atom(residue + usize::from(p.next), p.slot);
            let Some(atoms) = restraint.places.iter().map(place).collect::<Option<Vec<usize>>>() else { continue };
            let Restraint { kind, mean, deviation, .. } = *restraint;
            match (kind, atoms.as_slice()) {
                (Kind::Volume, &[a, b, c, d]) => chunk.volumes.push(Volume { atoms: [a, b, c, d], mean, deviation }),
                (Kind::Angle, &[a, middle, b]) => {
                    chunk.distances.push(Distance { atoms: [a, b], mean, deviation });
                    self.over_two.push(([a, middle, b], mean));
                }
                (_, &[a, b]) => {
                    let distance = Distance { atoms: [a, b], mean, deviation };
                    chunk.distances.push(distance);
                    if kind == Kind::Bond {
                        self.bonds.push(distance);
                    }
                }
                _ => {}
            }
        }
    }

    /// How a residue is linked to the next one.
    fn link(&self, r: usize) -> Option<Link> {
        let (residue, next) = (&self.residues[r], self.residues.get(r + 1)?);
        if residue.chain != next.chain || residue.number + 1 != next.number {
            return None;
        }
        let near = |a: Option<Point>, b: Option<Point>, limit: f64| Some(length(&difference(&a?, &b?)) < limit);
        let by_calphas = near(residue.atoms[CA], next.atoms[CA], LONGEST_STEP);
        if !by_calphas.or(near(residue.atoms[C], next.atoms[N], LONGEST_PEPTIDE))? {
            return None;
        }
        let proline = Some(next.amino) == type_of('P');
        let limit = if proline { 90.0 } else { SURELY_CIS };
        let ends = [residue.atoms[CA], residue.atoms[C], next.atoms[N], next.atoms[CA]];
        let cis =
            matches!(ends, [Some(a), Some(b), Some(c), Some(d)] if torsion(&a, &b, &c, &d).abs() < limit.to_radians());
        Some(match (cis, proline) {
            (false, false) => Link::Trans,
            (false, true) => Link::TransProline,
            (true, false) => Link::Cis,
            (true, true) => Link::CisProline,
        })
    }

    /// phi and psi of the residue after `r`.
    fn backbone(&self, r: usize) -> Option<Backbone> {
        self.link(r)?;
        self.link(r + 1)?;
        let atom = |residue, slot| self.atom(residue, slot);
        let atoms = [atom(r, C)?, atom(r + 1, N)?, atom(r + 1, CA)?, atom(r + 1, C)?, atom(r + 2, N)?];
        Some(Backbone { atoms, class: Class::of(self.residues[r + 1].amino, Some(self.residues[r + 2].amino)) })
    }

    fn side_chain(&self, r: usize) -> Option<SideChain> {
        let amino = self.residues[r].amino;
        let torsion = |chi: &[usize; 4]| -> Option<[usize; 4]> {
            let [a, b, c, d] = chi.map(|slot| self.atom(r, slot));
            Some([a?, b?, c?, d?])
        };
        let chi = AMINO_ACIDS[amino].chi.iter().map(torsion).collect::<Option<Vec<_>>>()?;
        (!chi.is_empty()).then_some(SideChain { amino, chi })
    }

    /// Restraints of all pairs of cysteines whose sulfurs nearly touch; the bonds count as such.
    fn disulfides(&mut self) -> Vec<Distance> {
        const SG: usize = 5;
        let cysteines = (0..self.residues.len()).filter(|&r| Some(self.residues[r].amino) == type_of('C'));
        let cysteines: Vec<usize> = cysteines.filter(|&r| self.atom(r, SG).is_some()).collect();
        let mut found = Vec::new();
        for (i, &a) in cysteines.iter().enumerate() {
            for &b in &cysteines[i + 1..] {
                let (Some(here), Some(there)) = (self.point(a, SG), self.point(b, SG)) else { continue };
                if length(&difference(&here, &there)) > LONGEST_DISULFIDE {
                    continue;
                }
                let distance = |one: usize, two: usize, (mean, deviation): (f64, f64)| {
                    let atoms = [self.atom(a, one)?, self.atom(b, two)?];
                    Some(Distance { atoms, mean, deviation })
                };
                let bond = distance(SG, SG, DISULFIDE);
                let over = [distance(CB, SG, OVER_DISULFIDE), distance(SG, CB, OVER_DISULFIDE)];
                found.extend(bond.into_iter().chain(over.into_iter().flatten()));
                self.bonds.extend(bond);
            }
        }
        found
    }
}
