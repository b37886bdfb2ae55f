//! B factors of residues.

use emodelx_core::bfactors::{Atom, Fit, Profiles};
use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays;
use crate::errors::to_python;
use crate::gate::{Run, enter};

/// The map, the voxels that count, and the voxel size.
type MaskedDensity<'py> = (PyReadonlyArray3<'py, f32>, PyReadonlyArray3<'py, bool>, [f64; 3]);
/// Positions (n, 3), kinds and residues of the atoms.
type AtomArrays<'py> = (PyReadonlyArray2<'py, f64>, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>);
/// Densities by kind, B factor and squared distance, and the steps of the last two.
type ProfileArrays<'py> = (PyReadonlyArray3<'py, f32>, f64, f64);

#[pyfunction]
#[pyo3(signature = (density, atoms, profiles, b_factors, *, threads=0, progress=None))]
pub fn correlate_b_factors<'py>(
    py: Python<'py>,
    density: MaskedDensity<'py>,
    atoms: AtomArrays<'py>,
    profiles: ProfileArrays<'py>,
    b_factors: PyReadonlyArray1<'py, f64>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<(f64, Bound<'py, PyArray1<f64>>)> {
    let (map, spacing) = (arrays::probabilities("density", &density.0)?, density.2);
    let (inside, _) = arrays::volume("inside", &density.1)?;
    let (table, shape) = arrays::volume("profiles", &profiles.0)?;
    let atoms = read_atoms(&atoms)?;
    let b_factors = arrays::vector("b_factors", &b_factors)?;
    if !b_factors.iter().all(|b| b.is_finite() && *b >= 0.0) {
        return Err(PyValueError::new_err("b_factors must not be negative"));
    }
    let table = arrays::finite("profiles", table)?;
    let profiles = Profiles::new(table, shape, profiles.1, profiles.2).map_err(|e| to_python(&e))?;
    let fit = Fit::new(map, inside, spacing, &atoms, profiles).map_err(|e| to_python(&e))?;
    let (correlation, slopes) = enter(py, &Run { threads, progress }, |monitor| fit.evaluate(b_factors, monitor))?;
    Ok((correlation, PyArray1::from_vec(py, slopes)))
}

fn read_atoms((positions, kinds, residues): &AtomArrays<'_>) -> PyResult<Vec<Atom>> {
    let (points, kinds) = (arrays::points("positions", positions)?, arrays::indices("kinds", kinds)?);
    let residues = arrays::indices("residues", residues)?;
    if points.len() != kinds.len() || points.len() != residues.len() {
        return Err(PyValueError::new_err("positions, kinds and residues must have the same length"));
    }
    let atom = |((point, kind), residue)| Atom { point, kind, residue };
    Ok(points.into_iter().zip(kinds).zip(residues).map(atom).collect())
}
