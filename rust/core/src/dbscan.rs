//! DBSCAN on a grid: the clusters and labels of scikit-learn, in memory that grows with the number of points.

use rayon::prelude::*;

use crate::cells::{Cells, squared_distance};
use crate::{CoreError, Monitor, Point};

/// Label of points that belong to no cluster.
pub const NOISE: i64 = -1;

/// Cells this much smaller than `eps / sqrt(3)` keep rounding from parting two points of one cell.
const SAFETY: f64 = 1.0 - 1e-9;

/// Cells hold neighbours only, and all neighbours of a point lie within this many cells.
const REACH: i64 = 2;

/// Label of every point: clusters are numbered by their first core point, `NOISE` for the rest.
///
/// A core point has at least `min_samples` points within `eps`, itself included. A point that is not core
/// belongs to the lowest-numbered cluster with a core point within `eps`, which is the one whose search reaches
/// it first.
pub fn dbscan(points: &[Point], eps: f64, min_samples: usize, monitor: &Monitor) -> Result<Vec<i64>, CoreError> {
    let cells = Cells::new(points, eps / 3.0_f64.sqrt() * SAFETY)?;
    let space = Space { points, cells, reach2: eps * eps };
    monitor.begin(3 * space.cells.count());
    let core = space.core_points(min_samples, monitor)?;
    let clusters = space.clusters(&core, monitor)?;
    space.labels(&core, &clusters, monitor)
}

struct Space<'a> {
    points: &'a [Point],
    cells: Cells,
    reach2: f64,
}

impl Space<'_> {
    fn close(&self, i: usize, j: usize) -> bool {
        squared_distance(&self.points[i], &self.points[j]) <= self.reach2
    }

    fn core_points(&self, min_samples: usize, monitor: &Monitor) -> Result<Vec<bool>, CoreError> {
        self.per_point(monitor, |c, around, i| {
            // Points of one cell are neighbours of each other: a full cell needs no counting.
            let own = self.cells.members(c).len();
            let others = around.iter().filter(|&&d| d != c).flat_map(|&d| self.cells.members(d));
            let missing = min_samples.saturating_sub(own);
            others.filter(|&&j| self.close(i, j)).take(missing).count() == missing
        })
    }

    /// For every cell the lowest cell of its cluster; cells are joined where two of their core points are close.
    fn clusters(&self, core: &[bool], monitor: &Monitor) -> Result<Vec<usize>, CoreError> {
        let mut forest = Forest::new(self.cells.count());
        let cores: Vec<Vec<usize>> = (0..self.cells.count())
            .map(|c| self.cells.members(c).iter().copied().filter(|&i| core[i]).collect())
            .collect();
        for c in 0..self.cells.count() {
            monitor.advance(1)?;
            for d in self.cells.around(c, REACH).take_while(|&d| d < c) {
                if forest.root(c) != forest.root(d) && self.touch(&cores[c], &cores[d]) {
                    forest.join(c, d);
                }
            }
        }
        Ok((0..self.cells.count()).map(|c| forest.root(c)).collect())
    }

    fn touch(&self, ours: &[usize], theirs: &[usize]) -> bool {
        ours.iter().any(|&i| theirs.iter().any(|&j| self.close(i, j)))
    }

    fn labels(&self, core: &[bool], clusters: &[usize], monitor: &Monitor) -> Result<Vec<i64>, CoreError> {
        let numbers = self.numbers(core, clusters);
        self.per_point(monitor, |c, around, i| {
            if core[i] {
                return numbers[clusters[c]];
            }
            let reaches = |d: usize| self.cells.members(d).iter().any(|&j| core[j] && self.close(i, j));
            around.iter().filter(|&&d| reaches(d)).map(|&d| numbers[clusters[d]]).min().unwrap_or(NOISE)
        })
    }

    /// Number of every cluster, by its lowest cell, in the order of the clusters' first core points.
    fn numbers(&self, core: &[bool], clusters: &[usize]) -> Vec<i64> {
        let mut first = vec![usize::MAX; self.cells.count()];
        for c in 0..self.cells.count() {
            let lowest = self.cells.members(c).iter().copied().find(|&i| core[i]).unwrap_or(usize::MAX);
            first[clusters[c]] = first[clusters[c]].min(lowest);
        }
        let mut found: Vec<usize> = (0..first.len()).filter(|&c| first[c] != usize::MAX).collect();
        found.sort_unstable_by_key(|&c| first[c]);
        let mut numbers = vec![NOISE; first.len()];
        for (number, c) in found.into_iter().enumerate() {
            numbers[c] = number as i64;
        }
        numbers
    }

    /// `ask(cell, cells around it, point)` of every point, in the order of the points.
    fn per_point<T, F>(&self, monitor: &Monitor, ask: F) -> Result<Vec<T>, CoreError>
    where
        T: Send + Copy + Default,
        F: Fn(usize, &[usize], usize) -> T + Sync,
    {
        let answers = (0..self.cells.count())
            .into_par_iter()
            .map(|c| {
                monitor.advance(1)?;
                let around: Vec<usize> = self.cells.around(c, REACH).collect();
                Ok(self.cells.members(c).iter().map(|&i| (i, ask(c, &around, i))).collect::<Vec<_>>())
            })
            .collect::<Result<Vec<_>, CoreError>>()?;
        let mut by_point = vec![T::default(); self.points.len()];
        for (i, answer) in answers.into_iter().flatten() {
            by_point[i] = answer;
        }
        Ok(by_point)
    }
}

/// Union-find; the root of a tree is its lowest member.
struct Forest {
    parent: Vec<usize>,
}

impl Forest {
    fn new(count: usize) -> Self {
        Self { parent: (0..count).collect() }
    }

    fn root(&mut self, mut c: usize) -> usize {
        while self.parent[c] != c {
            self.parent[c] = self.parent[self.parent[c]];
            c = self.parent[c];
        }
        c
    }

    fn join(&mut self, c: usize, d: usize) {
        let (c, d) = (self.root(c), self.root(d));
        self.parent[c.max(d)] = c.min(d);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(from: f64, count: usize) -> Vec<Point> {
        (0..count).map(|i| [from + i as f64, 0.0, 0.0]).collect()
    }

    #[test]
    fn two_lines_and_a_stray_point() {
        let points = [line(50.0, 4), vec![[200.0, 0.0, 0.0]], line(0.0, 4)].concat();
        let labels = dbscan(&points, 1.5, 2, &Monitor::default()).unwrap();
        assert_eq!(labels, [0, 0, 0, 0, NOISE, 1, 1, 1, 1]);
    }

    #[test]
    fn stops_when_asked() {
        let monitor = Monitor::default();
        monitor.request_stop();
        assert_eq!(dbscan(&line(0.0, 4), 1.5, 2, &monitor), Err(CoreError::Interrupted));
    }

    #[test]
    fn refuses_a_radius_of_zero() {
        assert!(dbscan(&line(0.0, 4), 0.0, 2, &Monitor::default()).is_err());
    }
}
