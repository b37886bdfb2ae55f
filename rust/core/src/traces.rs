//! n-hop connection likelihoods H(n): short walks along the best links of every candidate, eq. 25.

use rayon::prelude::*;

use crate::sparse::{Entry, SparseRows};
use crate::{CoreError, Monitor};

/// More links than this are refused: the number of walks grows as neighbours to the power of hops.
const MOST_HOPS: usize = 16;

/// Which walks are sampled.
#[derive(Debug, Clone, Copy)]
pub struct Sampling {
    /// Links of the longest walk.
    pub hops: usize,
    /// Best links followed from each candidate.
    pub neighbours: usize,
    /// Smallest factor that a link contributes to the product of a walk.
    pub floor: f32,
}

/// H(1) .. H(hops): entry `(k', k)` is the best product of likelihoods over the walks of n links from k' to k that
/// visit no candidate twice; the entries of every column k sum to 1.
pub fn sample(links: &SparseRows, sampling: &Sampling, monitor: &Monitor) -> Result<Vec<SparseRows>, CoreError> {
    if sampling.hops > MOST_HOPS || !sampling.floor.is_finite() {
        return Err(CoreError::Invalid(format!("hops must be at most {MOST_HOPS} and floor finite, not {sampling:?}")));
    }
    let followed = best_links(links, sampling);
    monitor.begin(links.len());
    let from_start = (0..links.len())
        .into_par_iter()
        .map(|k| monitor.advance(1).map(|()| walks_from(k, &followed, sampling.hops)))
        .collect::<Result<Vec<_>, CoreError>>()?;
    let mut rows_of_hop = vec![Vec::with_capacity(links.len()); sampling.hops];
    for ends in from_start {
        for (rows, row) in rows_of_hop.iter_mut().zip(ends) {
            rows.push(row);
        }
    }
    Ok(rows_of_hop.into_iter().map(normalised).collect())
}

/// The best links of every candidate, best first; equal ones by index.
fn best_links(links: &SparseRows, sampling: &Sampling) -> Vec<Vec<(usize, f64)>> {
    let best = |k| {
        let mut row: Vec<Entry> = links.row(k).collect();
        row.sort_by(|a, b| b.1.total_cmp(&a.1));
        row.truncate(sampling.neighbours);
        row.into_iter().map(|(j, h)| (j, f64::from(h.max(sampling.floor)))).collect()
    };
    (0..links.len()).into_par_iter().map(best).collect()
}

/// For n = 1 .. `hops`: where walks of n links from `start` end, ascending, with the best product.
fn walks_from(start: usize, followed: &[Vec<(usize, f64)>], hops: usize) -> Vec<Vec<(usize, f64)>> {
    let mut walker = Walker { followed, path: vec![start], ends: vec![Vec::new(); hops] };
    walker.walk(1.0);
    walker.ends.into_iter().map(best_per_end).collect()
}

struct Walker<'a> {
    followed: &'a [Vec<(usize, f64)>],
    path: Vec<usize>,
    ends: Vec<Vec<(usize, f64)>>,
}

impl Walker<'_> {
    fn walk(&mut self, product: f64) {
        let links = self.path.len() - 1;
        if links == self.ends.len() {
            return;
        }
        for &(next, likelihood) in &self.followed[self.path[links]] {
            if !self.path.contains(&next) {
                self.ends[links].push((next, product * likelihood));
                self.path.push(next);
                self.walk(product * likelihood);
                self.path.pop();
            }
        }
    }
}

fn best_per_end(mut ends: Vec<(usize, f64)>) -> Vec<(usize, f64)> {
    ends.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
    ends.dedup_by_key(|end| end.0);
    ends.shrink_to_fit();
    ends
}

/// Divides every column by its sum.
fn normalised(rows: Vec<Vec<(usize, f64)>>) -> SparseRows {
    let mut sum = vec![0.0; rows.len()];
    for &(k, product) in rows.iter().flatten() {
        sum[k] += product;
    }
    let divide = |row: Vec<(usize, f64)>| row.into_iter().map(|(k, p)| (k, (p / sum[k]) as f32)).collect();
    SparseRows::from_rows(&rows.into_iter().map(divide).collect::<Vec<Vec<Entry>>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_walked_to_its_ends() {
        let links = SparseRows::from_rows(&[vec![(1, 1.0)], vec![(0, 1.0), (2, 0.5)], vec![(1, 0.5)]]);
        let sampling = Sampling { hops: 3, neighbours: 2, floor: 0.1 };
        let hops = sample(&links, &sampling, &Monitor::default()).unwrap();
        assert_eq!(hops.len(), 3);
        assert_eq!(hops[1].row(0).collect::<Vec<_>>(), [(2, 1.0)]);
        assert_eq!(hops[1].row(1).count(), 0);
        assert_eq!(hops[2].row(0).count(), 0);
        assert!((0..3).all(|k| hops[0].row(k).count() == links.row(k).count()));
    }
}
