//! A sparse square matrix by rows.

use rayon::prelude::*;

use crate::{CoreError, Monitor};

/// An entry of a row: column and value.
pub type Entry = (usize, f32);

/// A sparse n x n matrix by rows (CSR); columns ascend within a row.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseRows {
    start: Vec<i64>,
    column: Vec<i64>,
    value: Vec<f32>,
}

impl SparseRows {
    /// A matrix from its three arrays, checked.
    pub fn new(start: Vec<i64>, column: Vec<i64>, value: Vec<f32>) -> Result<Self, CoreError> {
        let ordered = start.first() == Some(&0) && start.is_sorted() && start.last() == Some(&(column.len() as i64));
        if !ordered || column.len() != value.len() {
            return Err(CoreError::Invalid("start, column and value do not fit together".into()));
        }
        let rows = Self { start, column, value };
        let ascends = |i| rows.row_columns(i).is_sorted_by(|a, b| a < b);
        let n = rows.len() as i64;
        if !rows.column.iter().all(|c| (0..n).contains(c)) || !(0..rows.len()).all(ascends) {
            return Err(CoreError::Invalid("columns must ascend within a row and lie in 0..n".into()));
        }
        if !rows.value.iter().all(|v| v.is_finite()) {
            return Err(CoreError::Invalid("values must be finite".into()));
        }
        Ok(rows)
    }

    /// A matrix from its rows, which must have ascending columns.
    #[must_use]
    pub fn from_rows(rows: &[Vec<Entry>]) -> Self {
        let mut start = Vec::with_capacity(rows.len() + 1);
        start.push(0);
        start.extend(rows.iter().scan(0, |end, row| {
            *end += row.len() as i64;
            Some(*end)
        }));
        let entries = || rows.iter().flatten();
        Self { start, column: entries().map(|e| e.0 as i64).collect(), value: entries().map(|e| e.1).collect() }
    }

    /// A matrix whose row `i` is `row(i)`, made in parallel.
    pub fn build<F>(n: usize, monitor: &Monitor, row: F) -> Result<Self, CoreError>
    where
        F: Fn(usize) -> Vec<Entry> + Sync,
    {
        monitor.begin(n);
        let rows = (0..n)
            .into_par_iter()
            .map(|i| monitor.advance(1).map(|()| row(i)))
            .collect::<Result<Vec<_>, CoreError>>()?;
        Ok(Self::from_rows(&rows))
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.start.len() - 1
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries of row `i`, columns ascending.
    pub fn row(&self, i: usize) -> impl Iterator<Item = Entry> {
        let range = self.range(i);
        self.column[range.clone()].iter().zip(&self.value[range]).map(|(c, v)| (*c as usize, *v))
    }

    /// The matrix with rows and columns exchanged.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut rows = vec![Vec::new(); self.len()];
        for i in 0..self.len() {
            self.row(i).for_each(|(column, value)| rows[column].push((i, value)));
        }
        Self::from_rows(&rows)
    }

    /// The three arrays: row starts, columns, values.
    #[must_use]
    pub fn into_parts(self) -> (Vec<i64>, Vec<i64>, Vec<f32>) {
        (self.start, self.column, self.value)
    }

    fn row_columns(&self, i: usize) -> &[i64] {
        &self.column[self.range(i)]
    }

    fn range(&self, i: usize) -> std::ops::Range<usize> {
        self.start[i] as usize..self.start[i + 1] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let rows = [vec![(1, 0.5), (2, 0.25)], vec![], vec![(0, 1.0)]];
        let matrix = SparseRows::from_rows(&rows);
        for (i, row) in rows.iter().enumerate() {
            assert_eq!(matrix.row(i).collect::<Vec<_>>(), *row);
        }
        let (start, column, value) = matrix.clone().into_parts();
        assert_eq!(SparseRows::new(start, column, value), Ok(matrix));
    }

    #[test]
    fn refuses_what_is_no_matrix() {
        let bad = |start: &[i64], column: &[i64], value: &[f32]| {
            SparseRows::new(start.to_vec(), column.to_vec(), value.to_vec()).is_err()
        };
        assert!(bad(&[], &[], &[]));
        assert!(bad(&[0, 2, 1], &[0], &[1.0]));
        assert!(bad(&[0, 1], &[1], &[1.0]));
        assert!(bad(&[0, 2, 2], &[1, 0], &[1.0, 1.0]));
        assert!(bad(&[0, 1], &[0], &[f32::NAN]));
    }
}
