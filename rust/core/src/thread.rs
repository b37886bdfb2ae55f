//! Threading (eq. 28): fills the gaps of a chain with candidates by a pruned search from both ends.

use crate::cells::{Cells, squared_distance};
use crate::geometry::reach;
use crate::propagate::TYPES;
use crate::residues::{ByCode, Residues};
use crate::sparse::SparseRows;
use crate::walk::{WalkGraph, bend_odds};
use crate::{CoreError, Monitor, Point};

/// Residues without a candidate that a thread may pass, and what each of them costs.
const LONGEST_SKIP: usize = 3;
const SKIP_COST: f32 = 2.0;
/// Nearest two residues with others between them can be, in Angstrom.
const NEAREST: f64 = 4.5;
/// Residues that are threaded from one end at most.
const LONGEST_THREAD: usize = 40;
/// Score of a candidate on the position that a symmetric chain predicts, the Angstrom over which it falls by 1, and the
/// lowest score.
const ON_SYMMETRIC: f64 = 2.0;
const SYMMETRY_WIDTH: f64 = 1.4;
const LEAST_SYMMETRY: f64 = -4.0;

/// A chain that has gaps.
#[derive(Debug, Clone)]
pub struct Gapped {
    pub sequence: usize,
    /// Candidate of every residue of the sequence.
    pub candidates: Vec<Option<usize>>,
    /// Where a symmetric chain has the residue.
    pub expected: Vec<Option<Point>>,
}

/// How threads are searched and kept.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Threads kept per residue, each the best to its candidate.
    pub beam: usize,
    /// Lowest score of a thread that ends at a residue already placed.
    pub least_closed: f32,
    /// Lowest score of a thread that ends nowhere.
    pub least_open: f32,
}

/// A residue placed by threading: index in the chain, candidate, score of its thread per residue.
pub type Placed = (usize, usize, f32);

/// What the threads run over; all of it has the same candidates.
#[derive(Debug)]
pub struct Ground<'a> {
    pub graph: &'a WalkGraph,
    pub likelihood: &'a SparseRows,
    pub positions: &'a [Point],
    pub odds: &'a [ByCode],
    /// What the aligning scores S say beyond the candidate's own type.
    pub context: &'a [Context],
    pub residues: &'a Residues,
}

/// Longest hop that S looks along.
pub const HOPS: usize = 6;

/// Log-odds of a candidate by the type of the residue 1, 2, ... places away along the sequence, to either side.
pub type Context = [[f32; TYPES]; HOPS];

/// Fills the gaps of all chains, the shortest first, and returns what was placed in each chain.
pub fn thread(
    ground: &Ground<'_>,
    chains: &[Gapped],
    search: &Search,
    monitor: &Monitor,
) -> Result<Vec<Vec<Placed>>, CoreError> {
    check(ground, chains)?;
    let mut used = vec![false; ground.positions.len()];
    chains.iter().flat_map(|c| c.candidates.iter().flatten()).for_each(|&k| used[k] = true);
    let mut gaps: Vec<Gap> = chains.iter().enumerate().flat_map(|(c, chain)| gaps(c, chain)).collect();
    gaps.sort_by_key(|gap| (gap.before.is_none() || gap.after.is_none(), gap.length(), gap.chain));
    let cells = Cells::new(ground.positions, reach(LONGEST_SKIP))?;
    let mut placed = vec![Vec::new(); chains.len()];
    monitor.begin(gaps.len());
    for gap in &gaps {
        monitor.advance(1)?;
        let threader = Threader { ground, cells: &cells, chain: &chains[gap.chain], search, used: &used };
        let found = threader.fill(gap);
        for &(_, candidate, _) in &found {
            used[candidate] = true;
        }
        placed[gap.chain].extend(found);
    }
    Ok(placed)
}

fn check(ground: &Ground<'_>, chains: &[Gapped]) -> Result<(), CoreError> {
    let invalid = |message: &str| Err(CoreError::Invalid(message.into()));
    let candidates = ground.positions.len();
    let sizes = [ground.graph.len(), ground.likelihood.len(), ground.odds.len(), ground.context.len()];
    if sizes != [candidates; 4] {
        return invalid("odds, context and links must have the same number of candidates");
    }
    if chains.iter().any(|c| c.sequence >= ground.residues.sequences()) {
        return invalid("chains name sequences that do not exist");
    }
    let whole = |c: &Gapped| [c.candidates.len(), c.expected.len()] == [ground.residues.places(c.sequence).len(); 2];
    if !chains.iter().all(whole) {
        return invalid("chains must have an entry for every residue of their sequence");
    }
    if chains.iter().flat_map(|c| c.candidates.iter().flatten()).any(|&k| k >= candidates) {
        return invalid("chains name candidates that do not exist");
    }
    Ok(())
}

/// Residues without a candidate, between those before and after that have one.
#[derive(Debug)]
struct Gap {
    chain: usize,
    before: Option<usize>,
    after: Option<usize>,
    residues: usize,
}

impl Gap {
    fn length(&self) -> usize {
        match (self.before, self.after) {
            (Some(b), Some(a)) => a - b - 1,
            _ => self.residues,
        }
    }
}

fn gaps(chain: usize, gapped: &Gapped) -> Vec<Gap> {
    let residues = gapped.candidates.len();
    let mut placed: Vec<Option<usize>> = vec![None];
    placed.extend((0..residues).filter(|&i| gapped.candidates[i].is_some()).map(Some));
    placed.push(None);
    let gap = |pair: &[Option<usize>]| Gap { chain, before: pair[0], after: pair[1], residues };
    let open = |g: &Gap| match (g.before, g.after) {
        (Some(b), Some(a)) => a > b + 1,
        (Some(b), None) => b + 1 < residues,
        (None, Some(a)) => a > 0,
        (None, None) => false,
    };
    placed.windows(2).map(gap).filter(open).collect()
}

/// A thread that has come as far as one residue on one candidate.
#[derive(Debug, Clone, Copy)]
struct Node {
    residue: usize,
    candidate: usize,
    score: f32,
    parent: Option<usize>,
}

struct Threader<'a> {
    ground: &'a Ground<'a>,
    cells: &'a Cells,
    chain: &'a Gapped,
    search: &'a Search,
    used: &'a [bool],
}

impl Threader<'_> {
    fn fill(&self, gap: &Gap) -> Vec<Placed> {
        let forward = gap.before.map_or_else(Vec::new, |b| self.grow(b, gap.after, 1));
        let backward = gap.after.map_or_else(Vec::new, |a| self.grow(a, gap.before, -1));
        match (gap.before, gap.after) {
            (Some(_), Some(_)) => self.meet(&forward, &backward),
            (Some(_), None) => self.end(&forward),
            _ => self.end(&backward),
        }
    }

    /// Threads from residue `from` towards residue `to`, which stay close enough to reach it; the first node is `from`.
    fn grow(&self, from: usize, to: Option<usize>, direction: i64) -> Vec<Node> {
        let Some(start) = self.chain.candidates[from] else { return Vec::new() };
        let mut nodes = vec![Node { residue: from, candidate: start, score: 0.0, parent: None }];
        // Nodes by their distance from the start in residues.
        let mut fronts: Vec<Vec<usize>> = vec![vec![0]];
        let limit = to.map_or(LONGEST_THREAD, |t| t.abs_diff(from) - 1).min(LONGEST_THREAD);
        for depth in 1..=limit {
            let residue = from as i64 + direction * depth as i64;
            let Some(residue) = usize::try_from(residue).ok().filter(|r| *r < self.chain.candidates.len()) else {
                break;
            };
            let mut front = Vec::new();
            for steps in 1..=(LONGEST_SKIP + 1).min(depth) {
                for &parent in &fronts[depth - steps] {
                    front.extend(self.steps(&nodes, parent, steps, residue));
                }
            }
            front.retain(|node| self.can_reach(node, to));
            prune(&mut front, self.search.beam);
            fronts.push((nodes.len()..nodes.len() + front.len()).collect());
            nodes.extend(front);
        }
        nodes
    }

    /// All ways to go from node `parent` to `residue`, `steps` residues on.
    fn steps(&self, nodes: &[Node], parent: usize, steps: usize, residue: usize) -> Vec<Node> {
        let at = nodes[parent];
        let node = |candidate: usize, step: f32| {
            let score = at.score + step + self.fit(candidate, residue);
            Node { residue, candidate, score, parent: Some(parent) }
        };
        let free = |y: usize| !self.used[y] && !visited(nodes, parent, y);
        if steps == 1 {
            let row = self.ground.likelihood.row(at.candidate);
            return row.filter(|(y, _)| free(*y)).map(|(y, h)| node(y, self.link(nodes, parent, y, h))).collect();
        }
        let origin = &self.ground.positions[at.candidate];
        let (near, far) = (NEAREST * NEAREST, reach(steps).powi(2));
        let fits = |y: &usize| (near..far).contains(&squared_distance(origin, &self.ground.positions[*y])) && free(*y);
        self.cells.near(origin, 1).filter(fits).map(|y| node(y, -SKIP_COST * steps as f32)).collect()
    }

    /// Log-odds of the link from node `parent` to candidate `y`, bend included.
    fn link(&self, nodes: &[Node], parent: usize, y: usize, h: f32) -> f32 {
        let at = nodes[parent];
        let bend = at.parent.map(|p| nodes[p]).filter(|p| p.residue.abs_diff(at.residue) == 1).map_or(0.0, |p| {
            bend_odds(squared_distance(&self.ground.positions[p.candidate], &self.ground.positions[y])).ln()
        });
        self.ground.graph.link_log_odds(h) + bend
    }

    /// Log-odds that `candidate` is `residue`, by its type, by S, and by where a symmetric chain has it.
    fn fit(&self, candidate: usize, residue: usize) -> f32 {
        let kind = self.ground.odds[candidate][self.code(residue)].ln();
        let symmetry = self.chain.expected[residue].map_or(0.0, |e| {
            let squared = squared_distance(&e, &self.ground.positions[candidate]);
            (ON_SYMMETRIC - squared / (SYMMETRY_WIDTH * SYMMETRY_WIDTH)).max(LEAST_SYMMETRY) as f32
        });
        kind + self.surroundings(candidate, residue) + symmetry
    }

    /// The part of S (eq. 26) that comes from the n-hop neighbours; types outside the chain or unknown add nothing.
    fn surroundings(&self, candidate: usize, residue: usize) -> f32 {
        let context = &self.ground.context[candidate];
        let said = |by_type: &[f32; TYPES], at: usize| by_type.get(self.code(at)).copied().unwrap_or(0.0);
        let length = self.chain.candidates.len();
        let both = |(n, by_type): (usize, &[f32; TYPES])| {
            let before = residue.checked_sub(n).map_or(0.0, |at| said(by_type, at));
            let after = if residue + n < length { said(by_type, residue + n) } else { 0.0 };
            before + after
        };
        (1..).zip(context).map(both).sum()
    }

    /// Type code of a residue of the chain.
    fn code(&self, residue: usize) -> usize {
        usize::from(
            self.ground.residues.code((self.ground.residues.places(self.chain.sequence).start + residue) as i64),
        )
    }

    fn can_reach(&self, node: &Node, to: Option<usize>) -> bool {
        let end = to.and_then(|t| self.chain.candidates[t].map(|k| (t, k)));
        end.is_none_or(|(t, k)| self.apart(node.candidate, k) <= reach(t.abs_diff(node.residue)).powi(2))
    }

    fn apart(&self, a: usize, b: usize) -> f64 {
        squared_distance(&self.ground.positions[a], &self.ground.positions[b])
    }

    /// The best pair of a forward and a backward thread that fit together.
    fn meet(&self, forward: &[Node], backward: &[Node]) -> Vec<Placed> {
        let mut best: Option<(f32, usize, usize)> = None;
        for (i, f) in forward.iter().enumerate() {
            for (j, b) in backward.iter().enumerate().filter(|(_, b)| b.residue > f.residue) {
                let Some(score) = self.joint(forward, i, b) else { continue };
                let total = f.score + b.score + score;
                if best.is_none_or(|x| total > x.0) && disjoint(forward, i, backward, j) {
                    best = Some((total, i, j));
                }
            }
        }
        let Some((total, i, j)) = best else { return Vec::new() };
        let closed = backward[j].residue - forward[i].residue == 1;
        if total < if closed { self.search.least_closed } else { self.search.least_open } {
            return Vec::new();
        }
        let mut placed = placed(forward, i);
        placed.extend(self::placed(backward, j));
        placed
    }

    /// Log-odds of what joins forward node `i` to backward node `b`; None where they are too far apart.
    fn joint(&self, forward: &[Node], i: usize, b: &Node) -> Option<f32> {
        let f = forward[i];
        let steps = b.residue - f.residue;
        if steps == 1 {
            let link = self.ground.likelihood.row(f.candidate).find(|(y, _)| *y == b.candidate);
            return link.map(|(y, h)| self.link(forward, i, y, h));
        }
        let apart = self.apart(f.candidate, b.candidate);
        (apart <= reach(steps).powi(2) && apart >= NEAREST * NEAREST).then_some(0.0)
    }

    /// The best thread that needs no other end.
    fn end(&self, nodes: &[Node]) -> Vec<Placed> {
        let best = (0..nodes.len()).max_by(|a, b| nodes[*a].score.total_cmp(&nodes[*b].score).then(b.cmp(a)));
        best.filter(|&i| nodes[i].score >= self.search.least_open).map_or_else(Vec::new, |i| placed(nodes, i))
    }
}

/// Keeps the best node per candidate, and of those the `beam` best.
fn prune(front: &mut Vec<Node>, beam: usize) {
    front.sort_by(|a, b| a.candidate.cmp(&b.candidate).then(b.score.total_cmp(&a.score)));
    front.dedup_by_key(|node| node.candidate);
    front.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.candidate.cmp(&b.candidate)));
    front.truncate(beam);
}

/// Nodes from `i` back to the start, which is not among them.
fn trail(nodes: &[Node], i: usize) -> impl Iterator<Item = &Node> {
    std::iter::successors(Some(&nodes[i]), |node| node.parent.map(|p| &nodes[p])).filter(|node| node.parent.is_some())
}

fn visited(nodes: &[Node], i: usize, candidate: usize) -> bool {
    trail(nodes, i).any(|node| node.candidate == candidate)
}

fn disjoint(a: &[Node], i: usize, b: &[Node], j: usize) -> bool {
    trail(a, i).all(|node| !visited(b, j, node.candidate))
}

fn placed(nodes: &[Node], i: usize) -> Vec<Placed> {
    let mean = nodes[i].score / trail(nodes, i).count().max(1) as f32;
    trail(nodes, i).map(|node| (node.residue, node.candidate, mean)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_lie_between_ends_and_beyond_them() {
        let candidates = vec![None, Some(7), None, None, Some(3), Some(4), None];
        let expected = vec![None; candidates.len()];
        let found = gaps(5, &Gapped { sequence: 0, candidates, expected });
        let ends: Vec<_> = found.iter().map(|g| (g.before, g.after, g.length())).collect();
        assert_eq!(ends, [(None, Some(1), 7), (Some(1), Some(4), 2), (Some(5), None, 7)]);
        assert!(found.iter().all(|g| g.chain == 5));
    }

    #[test]
    fn a_chain_without_candidates_has_no_gap() {
        let empty = Gapped { sequence: 0, candidates: vec![None; 4], expected: vec![None; 4] };
        assert!(gaps(0, &empty).is_empty());
    }

    #[test]
    fn the_best_of_every_candidate_goes_on() {
        let node = |candidate: usize, score: f32| Node { residue: 1, candidate, score, parent: Some(0) };
        let mut front = vec![node(2, 1.0), node(1, 3.0), node(2, 2.0), node(3, 0.5)];
        prune(&mut front, 2);
        let kept: Vec<_> = front.iter().map(|n| (n.candidate, n.score)).collect();
        assert_eq!(kept, [(1, 3.0), (2, 2.0)]);
    }

    #[test]
    fn threads_that_share_a_candidate_do_not_meet() {
        let node = |candidate, parent| Node { residue: 0, candidate, score: 0.0, parent };
        let (one, two) = ([node(0, None), node(1, Some(0))], [node(9, None), node(1, Some(0)), node(2, Some(0))]);
        assert!(!disjoint(&one, 1, &two, 1));
        assert!(disjoint(&one, 1, &two, 2));
    }
}
