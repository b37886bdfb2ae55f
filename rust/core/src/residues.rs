//! All sequences of a complex laid out one behind the other, so that one number names a residue.

use crate::CoreError;

/// Code of a residue of unknown type.
pub const UNKNOWN: u8 = 20;
/// Code of the places between and around sequences, where no walk can be.
pub const OUTSIDE: u8 = 21;
/// Number of codes: 20 amino acids, unknown, outside.
pub const CODES: usize = 22;

/// One entry per code.
pub type ByCode = [f32; CODES];

/// The residues of all sequences; a sequence is followed by enough `OUTSIDE` that no walk can jump over it.
#[derive(Debug, Clone)]
pub struct Residues {
    code: Vec<u8>,
    /// Place of the first residue of every sequence, and the end of the last.
    start: Vec<usize>,
    copies: Vec<usize>,
}

/// A walk advances by at most two places.
const SEPARATION: usize = 2;

impl Residues {
    /// From the type codes of every sequence (0-19, anything else unknown) and the number of its copies.
    pub fn new(sequences: &[Vec<i8>], copies: &[usize]) -> Result<Self, CoreError> {
        if sequences.len() != copies.len() || sequences.iter().any(Vec::is_empty) || copies.contains(&0) {
            return Err(CoreError::Invalid("every sequence needs residues and at least one copy".into()));
        }
        let mut code = Vec::new();
        let mut start = Vec::new();
        for sequence in sequences {
            start.push(code.len());
            code.extend(sequence.iter().map(|&c| if (0..20).contains(&c) { c as u8 } else { UNKNOWN }));
            code.extend([OUTSIDE; SEPARATION]);
        }
        start.push(code.len());
        Ok(Self { code, start, copies: copies.to_vec() })
    }

    /// Number of places.
    #[must_use]
    pub fn len(&self) -> usize {
        self.code.len()
    }

    /// Whether there are no places.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.code.is_empty()
    }

    /// Number of sequences.
    #[must_use]
    pub fn sequences(&self) -> usize {
        self.copies.len()
    }

    /// Code of the residue at `place`, which may lie anywhere.
    #[must_use]
    pub fn code(&self, place: i64) -> u8 {
        usize::try_from(place).ok().and_then(|p| self.code.get(p).copied()).unwrap_or(OUTSIDE)
    }

    /// Sequence of `place` and its position in it.
    #[must_use]
    pub fn locate(&self, place: usize) -> (usize, usize) {
        let sequence = self.start.partition_point(|s| *s <= place) - 1;
        (sequence, place - self.start[sequence])
    }

    /// Places of the residues of `sequence`.
    #[must_use]
    pub fn places(&self, sequence: usize) -> std::ops::Range<usize> {
        self.start[sequence]..self.start[sequence + 1] - SEPARATION
    }

    /// Number of copies of the sequence that `place` belongs to.
    #[must_use]
    pub fn copies(&self, place: usize) -> usize {
        self.copies[self.locate(place).0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_residue_has_its_place() {
        let residues = Residues::new(&[vec![3, -1], vec![7]], &[1, 4]).unwrap();
        let codes: Vec<u8> = (-1..8).map(|place| residues.code(place)).collect();
        assert_eq!(codes, [OUTSIDE, 3, UNKNOWN, OUTSIDE, OUTSIDE, 7, OUTSIDE, OUTSIDE, OUTSIDE]);
        assert_eq!((residues.places(0), residues.places(1)), (0..2, 4..5));
        assert_eq!((residues.locate(1), residues.locate(4)), ((0, 1), (1, 0)));
        assert_eq!((residues.copies(1), residues.copies(4)), (1, 4));
    }

    #[test]
    fn refuses_what_is_no_sequence() {
        assert!(Residues::new(&[vec![]], &[1]).is_err());
        assert!(Residues::new(&[vec![0]], &[0]).is_err());
        assert!(Residues::new(&[vec![0]], &[]).is_err());
    }
}
