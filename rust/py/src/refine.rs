//! Real-space refinement.

use emodelx_core::chemistry::MOST_ATOMS;
use emodelx_core::refine::Model;
use emodelx_core::refine::density::Density;
use emodelx_core::refine::target::Weights;
use emodelx_core::refine::topology::Residue;
use numpy::{PyArray1, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays;
use crate::errors::to_python;
use crate::gate::{Run, enter};

/// Types, chains and numbers of the residues, and their atoms (n, 14, 3), NaN where absent.
type ModelArrays<'py> =
    (PyReadonlyArray1<'py, u8>, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>, PyReadonlyArray3<'py, f64>);
/// The map and its voxel size.
type DensityArrays<'py> = (PyReadonlyArray3<'py, f32>, [f64; 3]);
/// Weights of Ramachandran, rotamers, repulsion, map and anchors, and whether to repair first.
type WeightArguments = (f64, f64, f64, f64, f64, bool);
/// Atoms, bond rms, angle rms, residues with phi and psi, favoured ones, outliers, clashes.
type QualityNumbers = (usize, f64, f64, usize, usize, usize, usize);

#[pyfunction]
#[pyo3(signature = (model, foreign, density, weights, places, iterations, *, threads=0, progress=None))]
pub fn refine_atoms<'py>(
    py: Python<'py>,
    model: ModelArrays<'py>,
    foreign: PyReadonlyArray2<'py, f64>,
    density: DensityArrays<'py>,
    weights: WeightArguments,
    places: PyReadonlyArray2<'py, f64>,
    iterations: usize,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyArray3<f64>>> {
    let (residues, foreign) = (residues(&model)?, arrays::points("foreign", &foreign)?);
    let places = arrays::some_points("places", &places)?;
    let density = to_density(&density)?;
    let (ramachandran, rotamers, repulsion, map, anchors, repairs) = weights;
    let weights = Weights { ramachandran, rotamers, repulsion, map, anchors, repairs };
    let refined = enter(py, &Run { threads, progress }, |monitor| {
        let mut model = Model::new(&residues, foreign)?;
        model.refine(density, weights, &places, iterations, monitor)?;
        Ok(model)
    })?;
    to_atoms(py, &refined, residues.len())
}

#[pyfunction]
#[pyo3(signature = (model, *, threads=0, progress=None))]
pub fn measure_geometry(
    py: Python<'_>,
    model: ModelArrays<'_>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<QualityNumbers> {
    let residues = residues(&model)?;
    let q = enter(py, &Run { threads, progress }, |_| Model::new(&residues, Vec::new())?.quality())?;
    Ok((q.atoms, q.bond_rms, q.angle_rms, q.ramachandran, q.favoured, q.outliers, q.clashes))
}

#[pyfunction]
#[pyo3(signature = (model, density, blurs, *, threads=0, progress=None))]
pub fn map_correlations<'py>(
    py: Python<'py>,
    model: ModelArrays<'py>,
    density: DensityArrays<'py>,
    blurs: Vec<f64>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    if !blurs.iter().all(|b| b.is_finite() && *b > 0.0) {
        return Err(PyValueError::new_err("blurs must be positive"));
    }
    let (residues, density) = (residues(&model)?, to_density(&density)?);
    let fits = enter(py, &Run { threads, progress }, |monitor| {
        let model = Model::new(&residues, Vec::new())?;
        monitor.begin(blurs.len());
        let fit = |blur: &f64| monitor.advance(1).map(|()| model.fit(&density, *blur));
        blurs.iter().map(fit).collect::<Result<Vec<f64>, _>>()
    })?;
    Ok(PyArray1::from_vec(py, fits))
}

fn residues((types, chains, numbers, atoms): &ModelArrays<'_>) -> PyResult<Vec<Residue>> {
    let (types, chains) = (arrays::vector("types", types)?, arrays::indices("chains", chains)?);
    let numbers = arrays::vector("numbers", numbers)?;
    let (points, shape) = arrays::volume("atoms", atoms)?;
    if shape[1] != MOST_ATOMS || shape[2] != 3 {
        return Err(PyValueError::new_err(format!("atoms must have shape (n, {MOST_ATOMS}, 3), not {shape:?}")));
    }
    if types.len() != shape[0] || chains.len() != shape[0] || numbers.len() != shape[0] {
        return Err(PyValueError::new_err("types, chains, numbers and atoms must have the same length"));
    }
    let slots = points.as_chunks::<3>().0.as_chunks::<MOST_ATOMS>().0;
    let some = |p: [f64; 3]| p.iter().all(|v| v.is_finite()).then_some(p);
    let residue = |(r, slots): (usize, &[[f64; 3]; MOST_ATOMS])| Residue {
        amino: usize::from(types[r]),
        chain: chains[r],
        number: numbers[r],
        atoms: slots.map(some),
    };
    Ok(slots.iter().enumerate().map(residue).collect())
}

fn to_density<'a>((values, spacing): &'a DensityArrays<'_>) -> PyResult<Density<'a>> {
    Density::new(arrays::probabilities("density", values)?, *spacing).map_err(|e| to_python(&e))
}

fn to_atoms<'py>(py: Python<'py>, model: &Model, residues: usize) -> PyResult<Bound<'py, PyArray3<f64>>> {
    let mut flat = vec![f64::NAN; residues * MOST_ATOMS * 3];
    for (residue, slot, point) in model.atoms() {
        let start = (residue * MOST_ATOMS + slot) * 3;
        flat[start..start + 3].copy_from_slice(&point);
    }
    PyArray1::from_vec(py, flat).reshape([residues, MOST_ATOMS, 3])
}
