//! Chain registration.

use emodelx_core::chains::{self, Piece};
use emodelx_core::geometry::Motion;
use numpy::PyReadonlyArray2;
use pyo3::prelude::*;

use crate::arrays;
use crate::gate::{Run, enter};

/// Sequence, position of the first residue, points (n, 3) (NaN where none).
type PieceArrays<'py> = (usize, usize, PyReadonlyArray2<'py, f64>);

/// Rotation by rows, shift.
type MotionNumbers = ([[f64; 3]; 3], [f64; 3]);

#[pyfunction]
#[pyo3(signature = (pieces, copies, *, images=None, threads=0, progress=None))]
pub fn assign_chains<'py>(
    py: Python<'py>,
    pieces: Vec<PieceArrays<'py>>,
    copies: Vec<usize>,
    images: Option<Vec<MotionNumbers>>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<Option<(usize, usize)>>> {
    let pieces = pieces.iter().map(piece).collect::<PyResult<Vec<_>>>()?;
    let motion = |(rotation, shift)| Motion { rotation, shift };
    let images = images.map_or(vec![Motion::IDENTITY], |all| all.into_iter().map(motion).collect());
    enter(py, &Run { threads, progress }, |monitor| chains::assign(&pieces, &copies, &images, monitor))
}

fn piece((sequence, start, points): &PieceArrays<'_>) -> PyResult<Piece> {
    Ok(Piece { sequence: *sequence, start: *start, points: arrays::some_points("pieces", points)? })
}
