//! Progress out of a long step, and the wish to stop into it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::CoreError;

/// Counters that a step advances and another thread reads.
#[derive(Debug, Default)]
pub struct Monitor {
    stop: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
}

impl Monitor {
    /// Sets how many units of work the step has, and starts counting from zero.
    pub fn begin(&self, total: usize) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total as u64, Ordering::Relaxed);
    }

    /// Counts `units` of work as done; fails when a stop was requested.
    pub fn advance(&self, units: usize) -> Result<(), CoreError> {
        self.done.fetch_add(units as u64, Ordering::Relaxed);
        self.check()
    }

    /// Fails when a stop was requested.
    pub fn check(&self) -> Result<(), CoreError> {
        if self.stop.load(Ordering::Relaxed) { Err(CoreError::Interrupted) } else { Ok(()) }
    }

    /// Asks the step to stop at its next look.
    pub fn request_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Units done and units in total.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_until_told_to_stop() {
        let monitor = Monitor::default();
        monitor.begin(3);
        assert_eq!(monitor.advance(2), Ok(()));
        assert_eq!(monitor.progress(), (2, 3));
        monitor.request_stop();
        assert_eq!(monitor.advance(1), Err(CoreError::Interrupted));
    }
}
