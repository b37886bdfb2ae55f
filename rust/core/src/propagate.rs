//! Score propagation, eq. 26: what the n-hop neighbours of a candidate say, by amino-acid type.

use rayon::prelude::*;

use crate::sparse::SparseRows;
use crate::{CoreError, Monitor};

/// Number of amino-acid types.
pub const TYPES: usize = 20;

/// One value per amino-acid type.
pub type ByType = [f32; TYPES];

/// For every candidate k and type a, the sum over k' of p(k', a) H(k', k).
pub fn propagate(types: &[ByType], hop: &SparseRows, monitor: &Monitor) -> Result<Vec<ByType>, CoreError> {
    if types.len() != hop.len() {
        return Err(CoreError::Invalid("types and hops must have the same number of candidates".into()));
    }
    monitor.begin(types.len());
    let by_column = hop.transposed();
    let said = |k: usize| {
        monitor.advance(1)?;
        let mut sum = [0.0; TYPES];
        for (from, value) in by_column.row(k) {
            sum.iter_mut().zip(&types[from]).for_each(|(s, p)| *s += value * p);
        }
        Ok(sum)
    };
    (0..types.len()).into_par_iter().map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_collect_what_their_rows_say() {
        let mut types = vec![[0.0; TYPES]; 3];
        types[0][4] = 1.0;
        types[1][7] = 0.5;
        let hop = SparseRows::from_rows(&[vec![(2, 0.25)], vec![(2, 0.75)], vec![]]);
        let monitor = Monitor::default();
        let said = propagate(&types, &hop, &monitor).unwrap();
        assert!(said[..2].iter().flatten().all(|s| *s == 0.0));
        assert_eq!((said[2][4], said[2][7]), (0.25, 0.375));
        assert_eq!(monitor.progress(), (3, 3));
    }

    #[test]
    fn refuses_other_candidates() {
        let hop = SparseRows::from_rows(&[vec![]]);
        assert!(propagate(&[], &hop, &Monitor::default()).is_err());
    }
}
