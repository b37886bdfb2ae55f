//! What the geometry of proteins is, read from the tables of `scripts/derive_restraints.py`.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::CoreError;
use crate::chemistry::{AMINO_ACIDS, type_of};

use super::ramachandran::Ramachandran;

const GEOMETRY: &str = include_str!("../../data/refine/geometry.txt");
const RAMACHANDRAN: &str = include_str!("../../data/refine/ramachandran.txt");
const ROTAMERS: &str = include_str!("../../data/refine/rotamers.txt");

/// A slot of a residue, or of the residue after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub next: bool,
    pub slot: usize,
}

/// What a line of the table restrains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Distance of two bonded atoms.
    Bond,
    /// Distance of the first and the last of three bonded atoms.
    Angle,
    /// Distance over a peptide.
    Span,
    /// Signed volume of the bonds from the first of four atoms to the others.
    Volume,
}

/// A line of the table.
#[derive(Debug, Clone)]
pub struct Restraint {
    pub kind: Kind,
    pub places: Vec<Place>,
    pub mean: f64,
    pub deviation: f64,
}

/// How a residue is linked to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    Trans,
    TransProline,
    Cis,
    CisProline,
}

/// Torsions that many residues of one type take.
#[derive(Debug, Clone)]
pub struct Rotamer {
    pub share: f64,
    /// Torsion and its deviation in radians, per chi.
    pub chi: Vec<(f64, f64)>,
}

/// All tables.
#[derive(Debug)]
pub struct Restraints {
    residues: Vec<Vec<Restraint>>,
    links: BTreeMap<Link, Vec<Restraint>>,
    rotamers: Vec<Vec<Rotamer>>,
    pub ramachandran: Ramachandran,
}

impl Restraints {
    /// Reads the tables that are built in.
    pub fn read() -> Result<Self, CoreError> {
        let mut residues = vec![Vec::new(); AMINO_ACIDS.len()];
        let mut links: BTreeMap<Link, Vec<Restraint>> = BTreeMap::new();
        for line in GEOMETRY.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [kind, group, names @ .., mean, deviation] = words.as_slice() else { return Err(bad(line)) };
            let kind = kind_of(kind).ok_or_else(|| bad(line))?;
            let (mean, deviation) = (number(mean)?, number(deviation)?);
            if let Some(link) = link_of(group) {
                let places = names.iter().map(|name| linked_place(link, name)).collect::<Option<_>>();
                let places = places.ok_or_else(|| bad(line))?;
                links.entry(link).or_default().push(Restraint { kind, places, mean, deviation });
            } else {
                let amino = group.parse().ok().and_then(type_of).ok_or_else(|| bad(line))?;
                let place = |name: &&str| AMINO_ACIDS[amino].slot(name).map(|slot| Place { next: false, slot });
                let places = names.iter().map(place).collect::<Option<_>>().ok_or_else(|| bad(line))?;
                residues[amino].push(Restraint { kind, places, mean, deviation });
            }
        }
        Ok(Self { residues, links, rotamers: rotamers()?, ramachandran: Ramachandran::parse(RAMACHANDRAN)? })
    }

    /// Restraints within a residue of type `amino`.
    #[must_use]
    pub fn within(&self, amino: usize) -> &[Restraint] {
        &self.residues[amino]
    }

    /// Restraints over a peptide bond.
    #[must_use]
    pub fn across(&self, link: Link) -> &[Restraint] {
        self.links.get(&link).map_or(&[], Vec::as_slice)
    }

    /// Rotamers of type `amino`, the most common first.
    #[must_use]
    pub fn rotamers(&self, amino: usize) -> &[Rotamer] {
        &self.rotamers[amino]
    }
}

fn rotamers() -> Result<Vec<Vec<Rotamer>>, CoreError> {
    let mut rotamers = vec![Vec::new(); AMINO_ACIDS.len()];
    for line in ROTAMERS.lines() {
        let mut words = line.split(' ');
        let amino = words.next().and_then(|w| w.parse().ok()).and_then(type_of).ok_or_else(|| bad(line))?;
        let values = words.map(number).collect::<Result<Vec<f64>, _>>()?;
        let [share, torsions @ ..] = values.as_slice() else { return Err(bad(line)) };
        let chi = torsions.as_chunks::<2>().0.iter().map(|[mean, sd]| (mean.to_radians(), sd.to_radians())).collect();
        rotamers[amino].push(Rotamer { share: *share, chi });
    }
    Ok(rotamers)
}

fn kind_of(word: &str) -> Option<Kind> {
    match word {
        "bond" => Some(Kind::Bond),
        "angle" => Some(Kind::Angle),
        "span" => Some(Kind::Span),
        "volume" => Some(Kind::Volume),
        _ => None,
    }
}

fn link_of(word: &str) -> Option<Link> {
    match word {
        "trans" => Some(Link::Trans),
        "trans-proline" => Some(Link::TransProline),
        "cis" => Some(Link::Cis),
        "cis-proline" => Some(Link::CisProline),
        _ => None,
    }
}

/// The main-chain atoms lie in the same slots of all types; the Cdelta is that of proline.
fn linked_place(link: Link, name: &str) -> Option<Place> {
    let proline = matches!(link, Link::TransProline | Link::CisProline);
    let amino = &AMINO_ACIDS[type_of(if proline { 'P' } else { 'A' })?];
    let next = name.starts_with('+');
    amino.slot(name.trim_start_matches('+')).map(|slot| Place { next, slot })
}

/// A number of a table.
pub(super) fn number<T: FromStr>(word: &str) -> Result<T, CoreError> {
    word.parse().map_err(|_| bad(word))
}

fn bad(line: &str) -> CoreError {
    CoreError::Invalid(format!("a table of restraints is damaged at '{line}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bond_of_the_chemistry_has_a_length() {
        let restraints = Restraints::read().unwrap();
        for (amino, acid) in AMINO_ACIDS.iter().enumerate() {
            let bonds = restraints.within(amino).iter().filter(|r| r.kind == Kind::Bond);
            let mut tabled: Vec<[usize; 2]> = bonds.map(|b| [b.places[0].slot, b.places[1].slot]).collect();
            let mut known: Vec<[usize; 2]> = acid.bonds().map(|[a, b]| [a.min(b), a.max(b)]).collect();
            tabled.sort_unstable();
            known.sort_unstable();
            assert_eq!(tabled, known);
            assert!(restraints.rotamers(amino).iter().all(|r| r.chi.len() == acid.chi.len()));
            assert_eq!(restraints.rotamers(amino).is_empty(), acid.chi.is_empty());
        }
    }

    #[test]
    fn values_are_those_of_engh_and_huber() {
        // Acta Cryst. A47 (1991) 392: N-CA 1.458, CA-C 1.525, C-O 1.231, C-N 1.329.
        let restraints = Restraints::read().unwrap();
        let length = |table: &[Restraint], a: usize, b: usize| {
            let bond = |r: &&Restraint| r.kind == Kind::Bond && r.places[0].slot == a && r.places[1].slot == b;
            table.iter().find(bond).unwrap().mean
        };
        let alanine = restraints.within(0);
        for (a, b, expected) in [(0, 1, 1.458), (1, 2, 1.525), (2, 3, 1.231)] {
            assert!((length(alanine, a, b) - expected).abs() < 0.01);
        }
        assert!((length(restraints.across(Link::Trans), 2, 0) - 1.329).abs() < 0.01);
    }
}
