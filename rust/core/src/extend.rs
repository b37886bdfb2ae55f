//! Extension: a few residues beyond the ends of a chain are placed on the main chain that goes on there.

use crate::stride::{Node, Strand, Stretch, Walker, near, search_all, way};
use crate::volume::Volume;
use crate::{CoreError, Monitor, Point};

/// Residues that an end is extended by at most: the error grows with every step.
const LONGEST: usize = 4;
/// Ways that go on after each step.
const BEAM: usize = 12;
/// Added to the log-odds of every step, so that those along main chain gain and those through empty space do not.
const STEP_GAIN: f64 = 4.0;
/// Lowest log-odds of a whole extension.
const LEAST_GAIN: f64 = 2.0;

/// Extensions of both ends of all chains; where two of them collide, the shorter one stays.
pub fn extend(
    chains: &[Strand],
    ca_prob: &Volume<'_>,
    bb_prob: &Volume<'_>,
    monitor: &Monitor,
) -> Result<Vec<Stretch>, CoreError> {
    let walker = Walker::new(chains, ca_prob, bb_prob)?;
    let ends: Vec<End<'_>> = chains.iter().enumerate().flat_map(|(c, chain)| ends(c, chain)).collect();
    search_all(&ends, monitor, |end| end.extension(&walker))
}

/// The last placed residue towards one end of a chain.
struct End<'a> {
    chain: usize,
    strand: &'a Strand,
    last: usize,
    forward: bool,
}

fn ends(chain: usize, strand: &Strand) -> impl Iterator<Item = End<'_>> {
    let last = strand.points.iter().rposition(Option::is_some).map(|last| (last, true));
    let first = strand.points.iter().position(Option::is_some).map(|first| (first, false));
    last.into_iter().chain(first).map(move |(last, forward)| End { chain, strand, last, forward })
}

impl End<'_> {
    /// The residue `steps` beyond the end; None outside the sequence.
    fn beyond(&self, steps: usize) -> Option<usize> {
        if self.forward {
            Some(self.last + steps).filter(|&i| i < self.strand.points.len())
        } else {
            self.last.checked_sub(steps)
        }
    }

    /// The placed residue before the end.
    fn inner(&self) -> Option<Point> {
        let inner = if self.forward { self.last.checked_sub(1) } else { Some(self.last + 1) };
        inner.and_then(|i| self.strand.points.get(i).copied().flatten())
    }

    /// The best extension, as long as its steps gain.
    fn extension(&self, walker: &Walker<'_>) -> Option<Stretch> {
        let start = self.strand.points[self.last]?;
        let mut nodes = vec![Node::start(start)];
        let mut front = 0..1;
        for residue in (1..=LONGEST).map_while(|steps| self.beyond(steps)) {
            let earlier = |i: usize| nodes[i].parent.map_or_else(|| self.inner(), |p| Some(nodes[p].point));
            let expected = self.strand.expected[residue];
            let steps = |parent: usize| {
                let own = way(&nodes, parent);
                walker.steps(&nodes, parent, earlier(parent), expected, |point| !own.iter().any(|p| near(p, point)))
            };
            let mut next: Vec<Node> = front.flat_map(steps).collect();
            for node in &mut next {
                node.score += STEP_GAIN;
            }
            walker.prune(&mut next, BEAM);
            front = nodes.len()..nodes.len() + next.len();
            nodes.extend(next);
        }
        let best = (1..nodes.len()).max_by(|&a, &b| nodes[a].score.total_cmp(&nodes[b].score).then(b.cmp(&a)))?;
        (nodes[best].score >= LEAST_GAIN).then(|| self.stretch(walker, start, way(&nodes, best)))
    }

    fn stretch(&self, walker: &Walker<'_>, start: Point, mut points: Vec<Point>) -> Stretch {
        let whole: Vec<Point> = std::iter::once(start).chain(points.iter().copied()).collect();
        let support = walker.support(&whole);
        let first = if self.forward { self.last + 1 } else { self.last - points.len() };
        if !self.forward {
            points.reverse();
        }
        Stretch { chain: self.chain, first, points, support }
    }
}
