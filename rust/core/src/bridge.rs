//! Bridging: residues that have no candidate are placed on the main chain between two placed ones.

use crate::cells::squared_distance;
use crate::stride::{Node, STEP, Strand, Stretch, Walker, search_all, way};
use crate::volume::Volume;
use crate::walk::bend_odds;
use crate::{CoreError, Monitor, Point};

/// How much the last distance of a bridge may deviate, in Angstrom.
const SLACK: f64 = 0.8;
/// Deviation in Angstrom at which the last distance costs half a unit of log-odds.
const STRETCH: f64 = 0.35;
/// Residues that are bridged at most.
const LONGEST: usize = 8;
/// Ways that go on after each step.
const BEAM: usize = 32;

/// Bridges over the gaps of all chains; where two of them collide, the shorter one stays.
pub fn bridge(
    chains: &[Strand],
    ca_prob: &Volume<'_>,
    bb_prob: &Volume<'_>,
    monitor: &Monitor,
) -> Result<Vec<Stretch>, CoreError> {
    let walker = Walker::new(chains, ca_prob, bb_prob)?;
    let gaps: Vec<Gap> = chains.iter().enumerate().flat_map(|(c, chain)| gaps(c, chain)).collect();
    search_all(&gaps, monitor, |gap| Bridger { walker: &walker, chain: &chains[gap.chain] }.span(gap))
}

/// Missing residues between two placed ones.
#[derive(Debug, Clone, Copy)]
struct Gap {
    chain: usize,
    before: usize,
    after: usize,
}

fn gaps(chain: usize, strand: &Strand) -> Vec<Gap> {
    let placed: Vec<usize> = (0..strand.points.len()).filter(|&i| strand.points[i].is_some()).collect();
    let short = |pair: &&[usize]| (2..=LONGEST + 1).contains(&(pair[1] - pair[0]));
    placed.windows(2).filter(short).map(|pair| Gap { chain, before: pair[0], after: pair[1] }).collect()
}

struct Bridger<'a> {
    walker: &'a Walker<'a>,
    chain: &'a Strand,
}

impl Bridger<'_> {
    /// The best bridge over `gap`.
    fn span(&self, gap: &Gap) -> Option<Stretch> {
        let (start, goal) = (self.chain.points[gap.before]?, self.chain.points[gap.after]?);
        let mut nodes = vec![Node::start(start)];
        let mut front = 0..1;
        for residue in gap.before + 1..gap.after {
            let allowed = |point: &Point| reaches(point, &goal, gap.after - residue);
            let expected = self.chain.expected[residue];
            let steps =
                |parent: usize| self.walker.steps(&nodes, parent, self.earlier(&nodes, parent, gap), expected, allowed);
            let mut next: Vec<Node> = front.flat_map(steps).collect();
            self.walker.prune(&mut next, BEAM);
            front = nodes.len()..nodes.len() + next.len();
            nodes.extend(next);
        }
        let best = front.map(|i| (i, nodes[i].score + self.closing(&nodes, i, gap, &goal)));
        let (last, _) = best.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
        let points = way(&nodes, last);
        let ends: Vec<Point> = std::iter::once(start).chain(points.iter().copied()).chain([goal]).collect();
        Some(Stretch { chain: gap.chain, first: gap.before + 1, points, support: self.walker.support(&ends) })
    }

    /// The residue before node `i`, in the bridge or in the chain.
    fn earlier(&self, nodes: &[Node], i: usize, gap: &Gap) -> Option<Point> {
        match nodes[i].parent {
            Some(parent) => Some(nodes[parent].point),
            None => gap.before.checked_sub(1).and_then(|e| self.chain.points[e]),
        }
    }

    /// Log-odds of the way from the last node `i` to the end of the gap.
    fn closing(&self, nodes: &[Node], i: usize, gap: &Gap, goal: &Point) -> f64 {
        let last = nodes[i].point;
        let stretch = (squared_distance(&last, goal).sqrt() - STEP) / STRETCH;
        let bend = |a: Option<Point>, b: &Point| a.map_or(0.0, |a| f64::from(bend_odds(squared_distance(&a, b)).ln()));
        let after = self.chain.points.get(gap.after + 1).copied().flatten();
        self.walker.main_chain(&last, goal) + bend(self.earlier(nodes, i, gap), goal) + bend(after, &last)
            - 0.5 * stretch * stretch
    }
}

/// Whether `steps` steps can lead from `point` to `goal`, neither too short nor too long.
fn reaches(point: &Point, goal: &Point, steps: usize) -> bool {
    let longest = STEP * steps as f64 + SLACK;
    let shortest = if steps == 1 { STEP - SLACK } else { 0.0 };
    (shortest * shortest..=longest * longest).contains(&squared_distance(point, goal))
}
