//! The one door into the core: the GIL is released, Ctrl-C is heard, progress is reported, errors are mapped.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use emodelx_core::{CoreError, Monitor};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::errors::to_python;

/// How often the waiting thread looks for signals and reports progress.
const LOOK: Duration = Duration::from_millis(50);

/// How a call into the core runs.
pub struct Run {
    /// Number of threads; 0 takes all that this process may use.
    pub threads: usize,
    /// Called as `progress(done, total)` from the calling thread.
    pub progress: Option<Py<PyAny>>,
}

/// Runs `step` without the GIL on its own thread pool, while the calling thread listens for signals.
pub fn enter<T, F>(py: Python<'_>, run: &Run, step: F) -> PyResult<T>
where
    T: Send,
    F: FnOnce(&Monitor) -> Result<T, CoreError> + Send,
{
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(run.threads)
        .build()
        .map_err(|e| PyRuntimeError::new_err(format!("cannot start {} threads: {e}", run.threads)))?;
    let monitor = Monitor::default();
    py.detach(|| supervise(run, &monitor, || pool.install(|| step(&monitor))))
}

fn supervise<T, F>(run: &Run, monitor: &Monitor, step: F) -> PyResult<T>
where
    T: Send,
    F: FnOnce() -> Result<T, CoreError> + Send,
{
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        scope.spawn(move || sender.send(step()));
        let mut heard = Ok(());
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(result) => return heard.and(result.map_err(|e| to_python(&e))),
                Err(RecvTimeoutError::Timeout) if heard.is_ok() => {
                    heard = look(run, monitor);
                    if heard.is_err() {
                        monitor.request_stop();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(PyRuntimeError::new_err(
                        "a step of the core ended without a result; please report this",
                    ));
                }
            }
        }
    })
}

fn look(run: &Run, monitor: &Monitor) -> PyResult<()> {
    Python::attach(|py| {
        py.check_signals()?;
        if let Some(progress) = &run.progress {
            progress.call1(py, monitor.progress())?;
        }
        Ok(())
    })
}
