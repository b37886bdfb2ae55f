//! The heavy atoms of the 20 amino acids, how they are bonded and which torsions turn.
//!
//! An atom is named by its slot, its place in [`AminoAcid::atoms`]; the first slots are [`N`], [`CA`], [`C`], [`O`] and
//! (all but glycine) [`CB`].

/// One-letter codes in the order of [`AMINO_ACIDS`] and of every type index.
pub const CODES: &str = "ACDEFGHIKLMNPQRSTVWY";
/// Atom slots of a residue; tryptophan fills them all.
pub const MOST_ATOMS: usize = 14;

/// Slots of the main chain and of Cbeta.
pub const N: usize = 0;
pub const CA: usize = 1;
pub const C: usize = 2;
pub const O: usize = 3;
pub const CB: usize = 4;

/// Two bonded slots.
pub type Bond = [usize; 2];
/// The four slots of a torsion.
pub type Torsion = [usize; 4];

/// What a heavy atom of a protein is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    Carbon,
    Nitrogen,
    Oxygen,
    Sulfur,
}

/// One of the 20 amino acids.
#[derive(Debug)]
pub struct AminoAcid {
    /// Names of the heavy atoms by slot.
    pub atoms: &'static [&'static str],
    /// Bonds of the side chain, that of Calpha and Cbeta the first; see [`AminoAcid::bonds`] for all.
    side_chain: &'static [Bond],
    /// The side chain's torsions chi1, chi2, ...
    pub chi: &'static [Torsion],
    /// Whether half a turn of the last chi exchanges atoms of one kind (Phe, Tyr, Asp, Glu).
    pub symmetric: bool,
}

impl AminoAcid {
    /// All bonds within the residue.
    pub fn bonds(&self) -> impl Iterator<Item = Bond> + use<> {
        MAIN_CHAIN.iter().chain(self.side_chain).copied()
    }

    /// Slot of the atom of a name.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.atoms.iter().position(|atom| *atom == name)
    }

    /// Element of the atom in a slot; the first letter of its name tells.
    #[must_use]
    pub fn element(&self, slot: usize) -> Element {
        match self.atoms[slot].as_bytes()[0] {
            b'N' => Element::Nitrogen,
            b'O' => Element::Oxygen,
            b'S' => Element::Sulfur,
            _ => Element::Carbon,
        }
    }
}

/// Type index of a one-letter code.
#[must_use]
pub fn type_of(code: char) -> Option<usize> {
    CODES.find(code)
}

const MAIN_CHAIN: &[Bond] = &[[N, CA], [CA, C], [C, O]];
const CHI1: Torsion = [N, CA, CB, 5];
const CHI2: Torsion = [CA, CB, 5, 6];
const CHI3: Torsion = [CB, 5, 6, 7];
const CHI4: Torsion = [5, 6, 7, 8];

const fn acid(
    atoms: &'static [&'static str],
    side_chain: &'static [Bond],
    chi: &'static [Torsion],
    symmetric: bool,
) -> AminoAcid {
    AminoAcid { atoms, side_chain, chi, symmetric }
}

/// The amino acids in the order of [`CODES`].
pub static AMINO_ACIDS: [AminoAcid; 20] = [
    // A
    acid(&["N", "CA", "C", "O", "CB"], &[[1, 4]], &[], false),
    // C
    acid(&["N", "CA", "C", "O", "CB", "SG"], &[[1, 4], [4, 5]], &[CHI1], false),
    // D
    acid(&["N", "CA", "C", "O", "CB", "CG", "OD1", "OD2"], &[[1, 4], [4, 5], [5, 6], [5, 7]], &[CHI1, CHI2], true),
    // E
    acid(
        &["N", "CA", "C", "O", "CB", "CG", "CD", "OE1", "OE2"],
        &[[1, 4], [4, 5], [5, 6], [6, 7], [6, 8]],
        &[CHI1, CHI2, CHI3],
        true,
    ),
    // F
    acid(
        &["N", "CA", "C", "O", "CB", "CG", "CD1", "CD2", "CE1", "CE2", "CZ"],
        &[[1, 4], [4, 5], [5, 6], [5, 7], [6, 8], [7, 9], [8, 10], [9, 10]],
        &[CHI1, CHI2],
        true,
    ),
    // G
    acid(&["N", "CA", "C", "O"], &[], &[], false),
    // H
    acid(
        &["N", "CA", "C", "O", "CB", "CG", "ND1", "CD2", "CE1", "NE2"],
        &[[1, 4], [4, 5], [5, 6], [5, 7], [6, 8], [7, 9], [8, 9]],
        &[CHI1, CHI2],
        false,
    ),
    // I
    acid(
        &["N", "CA", "C", "O", "CB", "CG1", "CG2", "CD1"],
        &[[1, 4], [4, 5], [4, 6], [5, 7]],
        &[CHI1, [CA, CB, 5, 7]],
        false,
    ),
    // K
    acid(
        &["N", "CA", "C", "O", "CB", "CG", "CD", "CE", "NZ"],
        &[[1, 4], [4, 5], [5, 6], [6, 7], [7, 8]],
        &[CHI1, CHI2, CHI3, CHI4],
        false,
    ),
    // L
    acid(&["N", "CA", "C", "O", "CB", "CG", "CD1", "CD2"], &[[1, 4], [4, 5], [5, 6], [5, 7]], &[CHI1, CHI2], false),
    // M
    acid(&["N", "CA", "C", "O", "CB", "CG", "SD", "CE"], &[[1, 4], [4, 5], [5, 6], [6, 7]], &[CHI1, CHI2, CHI3], false),
    // N
    acid(&["N", "CA", "C", "O", "CB", "CG", "OD1", "ND2"], &[[1, 4], [4, 5], [5, 6], [5, 7]], &[CHI1, CHI2], false),
    // P
    acid(&["N", "CA", "C", "O", "CB", "CG", "CD"], &[[1, 4], [4, 5], [5, 6], [6, 0]], &[CHI1, CHI2], false),
    // Q
    acid(
        &["N", "CA", "C", "O", "CB", "CG", "CD", "OE1", "NE2"],
        &[[1, 4], [4, 5], [5, 6], [6, 7], [6, 8]],
        &[CHI1, CHI2, CHI3],
        false,
    ),
    // R
    acid(
        &["N", "CA", "C", "O", "CB", "CG", "CD", "NE", "CZ", "NH1", "NH2"],
        &[[1, 4], [4, 5], [5, 6], [6, 7], [7, 8], [8, 9], [8, 10]],
        &[CHI1, CHI2, CHI3, CHI4],
        false,
    ),
    // S
    acid(&["N", "CA", "C", "O", "CB", "OG"], &[[1, 4], [4, 5]], &[CHI1], false),
    // T
    acid(&["N", "CA", "C", "O", "CB", "OG1", "CG2"], &[[1, 4], [4, 5], [4, 6]], &[CHI1], false),
    // V
    acid(&["N", "CA", "C", "O", "CB", "CG1", "CG2"], &[[1, 4], [4, 5], [4, 6]], &[CHI1], false),
    // W
    acid(
        &["N", "CA", "C", "O", "CB", "CG", "CD1", "CD2", "NE1", "CE2", "CE3", "CZ2", "CZ3", "CH2"],
        &[[1, 4], [4, 5], [5, 6], [5, 7], [6, 8], [8, 9], [7, 9], [7, 10], [9, 11], [10, 12], [11, 13], [12, 13]],
        &[CHI1, CHI2],
        false,
    ),
    // Y
    acid(
        &["N", "CA", "C", "O", "CB", "CG", "CD1", "CD2", "CE1", "CE2", "CZ", "OH"],
        &[[1, 4], [4, 5], [5, 6], [5, 7], [6, 8], [7, 9], [8, 10], [9, 10], [10, 11]],
        &[CHI1, CHI2],
        true,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The constants of the Python package, the other place where the atoms are listed.
    const PYTHON: &str = include_str!("../../../python/emodelx/constants.py");

    fn python_atoms(code: char) -> Vec<&'static str> {
        let table = PYTHON.split("HEAVY_ATOMS = {").nth(1).unwrap();
        let key = format!("\"{code}\": \"");
        table.split(&key).nth(1).unwrap().split('"').next().unwrap().split(' ').collect()
    }

    #[test]
    fn atoms_are_those_of_the_python_package() {
        assert!(PYTHON.contains(&format!("AMINO_ACIDS = \"{CODES}\"")));
        assert!(PYTHON.contains(&format!("MOST_ATOMS = {MOST_ATOMS}")));
        for (code, acid) in CODES.chars().zip(&AMINO_ACIDS) {
            assert_eq!(acid.atoms, python_atoms(code), "{code}");
        }
        assert_eq!(AMINO_ACIDS.iter().map(|acid| acid.atoms.len()).max(), Some(MOST_ATOMS));
    }

    fn bonded(acid: &AminoAcid, a: usize, b: usize) -> bool {
        acid.bonds().any(|bond| bond == [a, b] || bond == [b, a])
    }

    #[test]
    fn every_atom_is_bonded_and_rings_close() {
        for (code, acid) in CODES.chars().zip(&AMINO_ACIDS) {
            let rings = match code {
                'F' | 'H' | 'P' | 'Y' => 1,
                'W' => 2,
                _ => 0,
            };
            assert_eq!(acid.bonds().count(), acid.atoms.len() - 1 + rings, "{code}");
            for slot in 1..acid.atoms.len() {
                assert!((0..slot).any(|earlier| bonded(acid, earlier, slot)), "{code} {slot}");
            }
        }
    }

    #[test]
    fn no_atom_has_too_many_bonds() {
        for acid in &AMINO_ACIDS {
            for slot in 0..acid.atoms.len() {
                let bonds = acid.bonds().filter(|bond| bond.contains(&slot)).count();
                assert!(bonds <= if acid.element(slot) == Element::Carbon { 3 } else { 2 });
            }
        }
    }

    #[test]
    fn torsions_follow_bonds_outwards() {
        let expected = [0, 1, 2, 3, 2, 0, 2, 2, 4, 2, 3, 2, 2, 3, 4, 1, 1, 1, 2, 2];
        for (acid, count) in AMINO_ACIDS.iter().zip(expected) {
            assert_eq!(acid.chi.len(), count);
            for (i, torsion) in acid.chi.iter().enumerate() {
                assert!(torsion.windows(2).all(|pair| bonded(acid, pair[0], pair[1])));
                assert!(i == 0 || torsion[..3] == acid.chi[i - 1][1..]);
            }
        }
        let symmetric: String =
            CODES.chars().zip(&AMINO_ACIDS).filter(|(_, acid)| acid.symmetric).map(|(code, _)| code).collect();
        assert_eq!(symmetric, "DEFY");
    }

    #[test]
    fn names_and_elements() {
        let met = &AMINO_ACIDS[type_of('M').unwrap()];
        assert_eq!((met.slot("SD"), met.slot("OXT")), (Some(6), None));
        assert_eq!(
            [met.element(0), met.element(3), met.element(6)],
            [Element::Nitrogen, Element::Oxygen, Element::Sulfur]
        );
        assert_eq!(type_of('X'), None);
    }
}
