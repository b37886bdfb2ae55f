//! The border between Python and the core: check, open the gate, call, convert.

// pyo3 hands what Python passes by keyword over by value, as arguments of their own.
#![allow(clippy::needless_pass_by_value, clippy::too_many_arguments)]

mod arrays;
mod backbone;
mod bfactors;
mod candidates;
mod chains;
mod errors;
mod gate;
mod links;
mod paths;
mod placement;
mod propagate;
mod qscore;
mod refine;
mod register;
mod rigid;
mod sidechains;
mod stride;
mod thread;
mod traces;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // numpy's interface is found now: found at the first call, a Ctrl-C meanwhile would be a panic
    numpy::PyArray1::<f64>::zeros(module.py(), 0, false);
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(candidates::cluster, module)?)?;
    module.add_function(wrap_pyfunction!(candidates::find_peaks, module)?)?;
    module.add_function(wrap_pyfunction!(candidates::refine_candidates, module)?)?;
    module.add_function(wrap_pyfunction!(links::link_candidates, module)?)?;
    module.add_function(wrap_pyfunction!(stride::bridge_chains, module)?)?;
    module.add_function(wrap_pyfunction!(stride::extend_chains, module)?)?;
    module.add_function(wrap_pyfunction!(backbone::build_main_chains, module)?)?;
    module.add_function(wrap_pyfunction!(sidechains::pack_side_chains, module)?)?;
    module.add_function(wrap_pyfunction!(placement::place_templates, module)?)?;
    module.add_function(wrap_pyfunction!(thread::thread_chains, module)?)?;
    module.add_function(wrap_pyfunction!(traces::sample_hops, module)?)?;
    module.add_function(wrap_pyfunction!(propagate::propagate_types, module)?)?;
    module.add_function(wrap_pyfunction!(chains::assign_chains, module)?)?;
    module.add_function(wrap_pyfunction!(paths::trace_paths, module)?)?;
    module.add_function(wrap_pyfunction!(qscore::q_scores, module)?)?;
    module.add_function(wrap_pyfunction!(refine::refine_atoms, module)?)?;
    module.add_function(wrap_pyfunction!(refine::measure_geometry, module)?)?;
    module.add_function(wrap_pyfunction!(refine::map_correlations, module)?)?;
    module.add_function(wrap_pyfunction!(bfactors::correlate_b_factors, module)?)?;
    module.add_function(wrap_pyfunction!(register::register_runs, module)?)?;
    module.add_function(wrap_pyfunction!(rigid::search_body, module)?)?;
    module.add_function(wrap_pyfunction!(rigid::settle_body, module)?)?;
    module.add_function(wrap_pyfunction!(rigid::bend_bodies, module)?)?;
    module.add_function(wrap_pyfunction!(rigid::trace_loops, module)?)?;
    Ok(())
}
