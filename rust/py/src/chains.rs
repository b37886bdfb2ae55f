//! Chain registration.

use emodelx_core::chains::{self, Piece};
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays;
use crate::gate::{Run, enter};

/// Sequence, position of the first residue, candidates (-1 where none).
type FragmentArrays<'py> = (usize, usize, PyReadonlyArray1<'py, i64>);

#[pyfunction]
#[pyo3(signature = (points, fragments, copies, *, threads=0, progress=None))]
pub fn assign_chains<'py>(
    py: Python<'py>,
    points: PyReadonlyArray2<'py, f64>,
    fragments: Vec<FragmentArrays<'py>>,
    copies: Vec<usize>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<Option<usize>>> {
    let points = arrays::points("points", &points)?;
    let pieces = fragments.iter().map(|f| piece(f, &points)).collect::<PyResult<Vec<_>>>()?;
    enter(py, &Run { threads, progress }, |monitor| chains::assign(&pieces, &copies, monitor))
}

fn piece((sequence, start, candidates): &FragmentArrays<'_>, points: &[[f64; 3]]) -> PyResult<Piece> {
    let missing = || PyValueError::new_err("fragments name candidates that do not exist");
    let point = |&k: &i64| match usize::try_from(k) {
        Ok(k) => points.get(k).map(|p| Some(*p)).ok_or_else(missing),
        Err(_) => Ok(None),
    };
    let points = arrays::vector("fragments", candidates)?.iter().map(point).collect::<PyResult<Vec<_>>>()?;
    Ok(Piece { sequence: *sequence, start: *start, points })
}
