//! Chain registration.

use emodelx_core::chains::{self, Piece};
use numpy::PyReadonlyArray2;
use pyo3::prelude::*;

use crate::arrays;
use crate::gate::{Run, enter};

/// Sequence, position of the first residue, points (n, 3) (NaN where none).
type PieceArrays<'py> = (usize, usize, PyReadonlyArray2<'py, f64>);

#[pyfunction]
#[pyo3(signature = (pieces, copies, *, threads=0, progress=None))]
pub fn assign_chains<'py>(
    py: Python<'py>,
    pieces: Vec<PieceArrays<'py>>,
    copies: Vec<usize>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<Option<usize>>> {
    let pieces = pieces.iter().map(piece).collect::<PyResult<Vec<_>>>()?;
    enter(py, &Run { threads, progress }, |monitor| chains::assign(&pieces, &copies, monitor))
}

fn piece((sequence, start, points): &PieceArrays<'_>) -> PyResult<Piece> {
    Ok(Piece { sequence: *sequence, start: *start, points: arrays::some_points("pieces", points)? })
}
