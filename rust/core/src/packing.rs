//! The best combination of states of many variables whose energies come from single ones and from pairs.
//!
//! States that cannot be in the best combination are struck out first (dead-end elimination, Goldstein's criterion).
//! What then still interacts falls apart into clusters, and each is solved exactly by eliminating one variable after
//! the other. Where a table would grow too large, a variable is held at the state that a local search gave it; the
//! result is then never worse than that of the local search.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::{CoreError, Monitor};

/// Entries of the largest table.
const LARGEST_TABLE: usize = 1 << 18;
/// States that others are compared with.
const RIVALS: usize = 6;
/// Rounds of striking out, and of local search.
const ROUNDS: usize = 20;
/// Differences of energy below this are none.
const NOTHING: f64 = 1e-9;

/// Energies of two variables, by state of the first and of the second.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub first: usize,
    pub second: usize,
    /// Row by row, a row per state of the first.
    pub energy: Vec<f64>,
}

/// Variables, their states and all energies.
#[derive(Debug, Clone, Default)]
pub struct Problem {
    /// Energy of every state of every variable; each has at least one.
    pub own: Vec<Vec<f64>>,
    /// Every two variables at most once.
    pub pairs: Vec<Pair>,
}

impl Problem {
    /// Energy of a combination of states.
    #[must_use]
    pub fn energy(&self, states: &[usize]) -> f64 {
        let own: f64 = self.own.iter().zip(states).map(|(energy, &s)| energy[s]).sum();
        let at = |p: &Pair| p.energy[states[p.first] * self.own[p.second].len() + states[p.second]];
        own + self.pairs.iter().map(at).sum::<f64>()
    }
}

/// The best combination of states, exactly as long as no table is too large.
pub fn solve(problem: &Problem, monitor: &Monitor) -> Result<Vec<usize>, CoreError> {
    check(problem)?;
    let (problem, kept) = strike_out(problem, monitor)?;
    let pairs = neighbours(&problem);
    let clusters = clusters(&problem, &pairs);
    let solve = |cluster: &Vec<usize>| {
        monitor.check()?;
        Ok(Cluster::new(&problem, cluster, &pairs).solve())
    };
    let solved: Result<Vec<Vec<usize>>, CoreError> = clusters.par_iter().map(solve).collect();
    let mut states = vec![0; problem.own.len()];
    for (cluster, found) in clusters.iter().zip(solved?) {
        for (&variable, state) in cluster.iter().zip(found) {
            states[variable] = kept[variable][state];
        }
    }
    Ok(states)
}

fn check(problem: &Problem) -> Result<(), CoreError> {
    let own = &problem.own;
    let fits = |p: &Pair| {
        p.first < p.second && p.second < own.len() && p.energy.len() == own[p.first].len() * own[p.second].len()
    };
    if own.iter().any(Vec::is_empty) || !problem.pairs.iter().all(fits) {
        return Err(CoreError::Invalid(
            "every variable needs states, and every pair an energy for all of theirs".into(),
        ));
    }
    Ok(())
}

// ---- dead-end elimination ----

/// The problem without states that cannot be in the best combination, and which states are left.
fn strike_out(problem: &Problem, monitor: &Monitor) -> Result<(Problem, Vec<Vec<usize>>), CoreError> {
    let mut kept: Vec<Vec<usize>> = problem.own.iter().map(|own| (0..own.len()).collect()).collect();
    let mut left = problem.clone();
    for _ in 0..ROUNDS {
        monitor.check()?;
        let neighbours = neighbours(&left);
        let alive: Vec<Vec<usize>> =
            (0..left.own.len()).into_par_iter().map(|v| undominated(&left, v, &neighbours[v])).collect();
        if alive.iter().zip(&left.own).all(|(alive, own)| alive.len() == own.len()) {
            break;
        }
        left = restricted(&left, &alive);
        kept = kept.iter().zip(&alive).map(|(kept, alive)| alive.iter().map(|&s| kept[s]).collect()).collect();
    }
    Ok((left, kept))
}

/// Pairs of every variable.
fn neighbours(problem: &Problem) -> Vec<Vec<usize>> {
    let mut found = vec![Vec::new(); problem.own.len()];
    for (p, pair) in problem.pairs.iter().enumerate() {
        found[pair.first].push(p);
        found[pair.second].push(p);
    }
    found
}

/// Energies of the states of the other variable of a pair, with this one in state `s`.
fn row(problem: &Problem, pair: &Pair, variable: usize, s: usize) -> impl Iterator<Item = f64> {
    let width = problem.own[pair.second].len();
    let (start, step, count) =
        if pair.first == variable { (s * width, 1, width) } else { (s, width, problem.own[pair.first].len()) };
    (0..count).map(move |k| pair.energy[start + k * step])
}

/// States of a variable that no rival beats whatever the neighbours do.
fn undominated(problem: &Problem, variable: usize, pairs: &[usize]) -> Vec<usize> {
    let own = &problem.own[variable];
    let row = |p: usize, s: usize| row(problem, &problem.pairs[p], variable, s);
    let bound = |s: usize| own[s] + pairs.iter().map(|&p| row(p, s).fold(f64::INFINITY, f64::min)).sum::<f64>();
    let bounds: Vec<f64> = (0..own.len()).map(bound).collect();
    let mut rivals: Vec<usize> = (0..own.len()).collect();
    rivals.sort_by(|&a, &b| bounds[a].total_cmp(&bounds[b]));
    rivals.truncate(RIVALS);
    let beats = |rival: usize, s: usize| {
        let mut margin = own[s] - own[rival];
        for &p in pairs {
            margin += row(p, s).zip(row(p, rival)).map(|(a, b)| a - b).fold(f64::INFINITY, f64::min);
        }
        margin > NOTHING
    };
    (0..own.len()).filter(|&s| !rivals.iter().any(|&rival| rival != s && beats(rival, s))).collect()
}

/// The problem with these states only; pairs that make no difference any more go into the own energies.
fn restricted(problem: &Problem, alive: &[Vec<usize>]) -> Problem {
    let mut own: Vec<Vec<f64>> =
        problem.own.iter().zip(alive).map(|(own, alive)| alive.iter().map(|&s| own[s]).collect()).collect();
    let mut pairs = Vec::new();
    for Pair { first, second, energy } in &problem.pairs {
        let (first, second, width) = (*first, *second, problem.own[*second].len());
        let row = |&s: &usize| alive[second].iter().map(move |&t| energy[s * width + t]);
        let energy: Vec<f64> = alive[first].iter().flat_map(row).collect();
        match (alive[first].len(), alive[second].len()) {
            (1, _) => add(&mut own[second], &energy),
            (_, 1) => add(&mut own[first], &energy),
            _ if energy.iter().all(|e| e.abs() < NOTHING) => {}
            _ => pairs.push(Pair { first, second, energy }),
        }
    }
    Problem { own, pairs }
}

fn add(own: &mut [f64], more: &[f64]) {
    own.iter_mut().zip(more).for_each(|(own, e)| *own += e);
}

/// Variables that interact with one another, directly or not; every variable is in one cluster.
fn clusters(problem: &Problem, neighbours: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut seen = vec![false; problem.own.len()];
    let mut found = Vec::new();
    for start in 0..problem.own.len() {
        let mut cluster = Vec::new();
        let mut open = vec![start];
        while let Some(v) = open.pop() {
            if !std::mem::replace(&mut seen[v], true) {
                cluster.push(v);
                open.extend(neighbours[v].iter().flat_map(|&p| [problem.pairs[p].first, problem.pairs[p].second]));
            }
        }
        if !cluster.is_empty() {
            cluster.sort_unstable();
            found.push(cluster);
        }
    }
    found
}

// ---- one cluster ----

/// Energies of combinations of states of a few variables.
#[derive(Debug, Clone)]
struct Factor {
    scope: Vec<usize>,
    energy: Vec<f64>,
}

/// How the best state of a variable follows from those of others.
#[derive(Debug)]
struct Decision {
    variable: usize,
    scope: Vec<usize>,
    best: Vec<u32>,
}

/// The variables of a cluster, numbered from 0.
#[derive(Debug, Clone)]
struct Cluster {
    counts: Vec<usize>,
    factors: Vec<Factor>,
    /// Factors of every variable.
    of: Vec<Vec<usize>>,
}

impl Cluster {
    fn new(problem: &Problem, members: &[usize], pairs: &[Vec<usize>]) -> Self {
        let number = |v: usize| members.partition_point(|&member| member < v);
        let counts: Vec<usize> = members.iter().map(|&v| problem.own[v].len()).collect();
        let mut cluster = Self { of: vec![Vec::new(); counts.len()], counts, factors: Vec::new() };
        for (i, &v) in members.iter().enumerate() {
            cluster.push(Factor { scope: vec![i], energy: problem.own[v].clone() });
            for pair in pairs[v].iter().map(|&p| &problem.pairs[p]).filter(|pair| pair.first == v) {
                cluster.push(Factor { scope: vec![i, number(pair.second)], energy: pair.energy.clone() });
            }
        }
        cluster
    }

    fn push(&mut self, factor: Factor) {
        for &v in &factor.scope {
            self.of[v].push(self.factors.len());
        }
        self.factors.push(factor);
    }

    fn solve(&self) -> Vec<usize> {
        let mut states = self.local_search(vec![0; self.counts.len()]);
        let decisions = Elimination::new(self.clone()).run(&states);
        for decision in decisions.iter().rev() {
            states[decision.variable] = decision.best[self.index(&decision.scope, &states)] as usize;
        }
        self.local_search(states)
    }

    /// Variables that share a factor with `variable`, ascending.
    fn scope(&self, variable: usize) -> Vec<usize> {
        let around: BTreeSet<usize> =
            self.of[variable].iter().flat_map(|&f| self.factors[f].scope.iter().copied()).collect();
        around.into_iter().filter(|&v| v != variable).collect()
    }

    fn size(&self, scope: &[usize]) -> usize {
        scope.iter().fold(1, |size, &v| size.saturating_mul(self.counts[v]))
    }

    fn index(&self, scope: &[usize], states: &[usize]) -> usize {
        scope.iter().fold(0, |index, &v| index * self.counts[v] + states[v])
    }

    /// Calls `visit` with every combination of states of `scope`, in the order of their indices.
    fn each(&self, scope: &[usize], states: &mut [usize], mut visit: impl FnMut(&mut [usize])) {
        for index in 0..self.size(scope) {
            let mut rest = index;
            for &v in scope.iter().rev() {
                states[v] = rest % self.counts[v];
                rest /= self.counts[v];
            }
            visit(states);
        }
    }

    /// Best state of a variable with all others as they are, the first of equals.
    fn best_state(&self, variable: usize, states: &mut [usize]) -> usize {
        let mut best = (0, f64::INFINITY);
        for s in 0..self.counts[variable] {
            states[variable] = s;
            let at = |&f: &usize| self.factors[f].energy[self.index(&self.factors[f].scope, states)];
            let energy: f64 = self.of[variable].iter().map(at).sum();
            if energy < best.1 {
                best = (s, energy);
            }
        }
        best.0
    }

    /// Puts one variable after the other into its best state until nothing changes.
    fn local_search(&self, mut states: Vec<usize>) -> Vec<usize> {
        for _ in 0..ROUNDS {
            let before = states.clone();
            for v in 0..states.len() {
                states[v] = self.best_state(v, &mut states);
            }
            if states == before {
                break;
            }
        }
        states
    }
}

/// A cluster whose variables are taken out one after the other.
struct Elimination {
    left: Cluster,
    open: BTreeSet<usize>,
    /// Entries of the table that the elimination of each variable makes.
    sizes: Vec<usize>,
}

impl Elimination {
    fn new(left: Cluster) -> Self {
        let variables = 0..left.counts.len();
        let sizes = variables.clone().map(|v| left.size(&left.scope(v))).collect();
        Self { left, open: variables.collect(), sizes }
    }

    /// Takes out all variables; those with too large tables at their state in `states`.
    fn run(mut self, states: &[usize]) -> Vec<Decision> {
        let mut decisions = Vec::new();
        while let Some(next) = self.open.iter().copied().min_by_key(|&v| self.sizes[v]) {
            if self.sizes[next] <= LARGEST_TABLE {
                decisions.push(self.eliminate(next));
            } else {
                self.hold(states);
            }
        }
        decisions
    }

    /// Replaces the factors of a variable by one of its neighbours, at its best state for each combination of theirs.
    fn eliminate(&mut self, variable: usize) -> Decision {
        let scope = self.left.scope(variable);
        let (energy, best) = Joined::new(&self.left, variable, &scope).minima();
        self.take_out(variable, &scope);
        self.left.push(Factor { scope: scope.clone(), energy });
        self.measure(&scope);
        Decision { variable, scope, best }
    }

    /// Leaves in all factors of the variable with most neighbours only what holds at its state in `states`.
    fn hold(&mut self, states: &[usize]) {
        let neighbours = |v: usize| self.left.scope(v).len();
        let Some(held) = self.open.iter().copied().max_by_key(|&v| (neighbours(v), usize::MAX - v)) else { return };
        let scope = self.left.scope(held);
        let factors: Vec<Factor> = self.left.of[held].iter().map(|&f| self.left.factors[f].clone()).collect();
        self.take_out(held, &scope);
        for factor in factors {
            let rest: Vec<usize> = factor.scope.iter().copied().filter(|&v| v != held).collect();
            let mut energy = Vec::new();
            let read = |states: &mut [usize]| energy.push(factor.energy[self.left.index(&factor.scope, states)]);
            self.left.each(&rest, &mut states.to_vec(), read);
            self.left.push(Factor { scope: rest, energy });
        }
        self.measure(&scope);
    }

    fn take_out(&mut self, variable: usize, scope: &[usize]) {
        self.open.remove(&variable);
        let gone = std::mem::take(&mut self.left.of[variable]);
        for &v in scope {
            self.left.of[v].retain(|f| !gone.contains(f));
        }
    }

    fn measure(&mut self, scope: &[usize]) {
        for &v in scope {
            self.sizes[v] = self.left.size(&self.left.scope(v));
        }
    }
}

/// The factors of one variable, added up for all combinations of states of its neighbours.
///
/// The last neighbour's state changes fastest, so that what does not depend on it is added up once for all its states,
/// and so on.
struct Joined {
    /// States of the variable, and of its neighbours.
    own: usize,
    counts: Vec<usize>,
    /// Tables that depend on no neighbour, on the first at most, on the second at most, ...
    levels: Vec<Vec<Table>>,
}

/// A factor with the states of one variable next to each other.
struct Table {
    energy: Vec<f64>,
    /// How far apart the states of each neighbour are; 0 for those that the factor does not depend on.
    steps: Vec<usize>,
    /// Where the present combination is.
    row: usize,
}

impl Joined {
    fn new(cluster: &Cluster, variable: usize, scope: &[usize]) -> Self {
        let mut levels: Vec<Vec<Table>> = (0..=scope.len()).map(|_| Vec::new()).collect();
        for &f in &cluster.of[variable] {
            let table = Table::new(cluster, &cluster.factors[f], variable, scope);
            levels[table.steps.iter().rposition(|&step| step > 0).map_or(0, |last| last + 1)].push(table);
        }
        Self { own: cluster.counts[variable], counts: scope.iter().map(|&v| cluster.counts[v]).collect(), levels }
    }

    /// Least energy of every combination, in the order of their indices, and the first state that has it.
    fn minima(mut self) -> (Vec<f64>, Vec<u32>) {
        let combinations = self.counts.iter().product();
        let (mut energy, mut best) = (Vec::with_capacity(combinations), Vec::with_capacity(combinations));
        let mut states = vec![0; self.counts.len()];
        let mut sums = vec![vec![0.0; self.own]; self.levels.len()];
        let mut changed = 0;
        for _ in 0..combinations {
            for level in changed..self.levels.len() {
                self.add_up(level, &mut sums);
            }
            let sum = &sums[self.counts.len()];
            let least = (1..sum.len()).fold(0, |least, s| if sum[s] < sum[least] { s } else { least });
            energy.push(sum[least]);
            best.push(least as u32);
            changed = self.advance(&mut states) + 1;
        }
        (energy, best)
    }

    /// Adds the tables of a level to what those before it sum up to.
    fn add_up(&self, level: usize, sums: &mut [Vec<f64>]) {
        let (before, after) = sums.split_at_mut(level);
        match before.last() {
            Some(before) => after[0].copy_from_slice(before),
            None => after[0].fill(0.0),
        }
        for table in &self.levels[level] {
            add(&mut after[0], &table.energy[table.row..table.row + self.own]);
        }
    }

    /// Goes to the next combination; returns the first neighbour whose state has changed.
    fn advance(&mut self, states: &mut [usize]) -> usize {
        for v in (0..states.len()).rev() {
            states[v] += 1;
            let full = states[v] == self.counts[v];
            for table in self.levels[v + 1..].iter_mut().flatten() {
                table.row += table.steps[v];
                table.row -= if full { self.counts[v] * table.steps[v] } else { 0 };
            }
            if !full {
                return v;
            }
            states[v] = 0;
        }
        0
    }
}

impl Table {
    fn new(cluster: &Cluster, factor: &Factor, variable: usize, scope: &[usize]) -> Self {
        let own = cluster.counts[variable];
        let at = factor.scope.iter().position(|&v| v == variable).unwrap_or(0);
        let inner = cluster.size(&factor.scope[at + 1..]);
        let outer = factor.energy.len() / (own * inner);
        let rows = (0..outer).flat_map(|o| (0..inner).map(move |i| o * own * inner + i));
        let energy = rows.flat_map(|first| (0..own).map(move |s| factor.energy[first + s * inner])).collect();
        let rest: Vec<usize> = factor.scope.iter().copied().filter(|&v| v != variable).collect();
        let step = |v: &usize| {
            let after = rest.iter().position(|w| w == v).map(|place| &rest[place + 1..]);
            after.map_or(0, |after| own * cluster.size(after))
        };
        Self { energy, steps: scope.iter().map(step).collect(), row: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every combination, one after the other.
    fn brute_force(problem: &Problem) -> f64 {
        let counts: Vec<usize> = problem.own.iter().map(Vec::len).collect();
        let total: usize = counts.iter().product();
        let energy = |mut index: usize| {
            let state = |&count: &usize| {
                let s = index % count;
                index /= count;
                s
            };
            let states: Vec<usize> = counts.iter().map(state).collect();
            problem.energy(&states)
        };
        (0..total).map(energy).fold(f64::INFINITY, f64::min)
    }

    fn problems() -> impl Strategy<Value = Problem> {
        prop::collection::vec(prop::collection::vec(-3.0..3.0_f64, 1..5), 1..7).prop_flat_map(|own| {
            let energies = prop::collection::vec(prop::option::of(prop::collection::vec(-5.0..5.0_f64, 16)), 21);
            energies.prop_map(move |energies| {
                let mut all = energies.into_iter();
                let mut pairs = Vec::new();
                for second in 0..own.len() {
                    for first in 0..second {
                        if let Some(mut energy) = all.next().flatten() {
                            energy.truncate(own[first].len() * own[second].len());
                            pairs.push(Pair { first, second, energy });
                        }
                    }
                }
                Problem { own: own.clone(), pairs }
            })
        })
    }

    proptest! {
        #[test]
        fn finds_the_best_of_all_combinations(problem in problems()) {
            let states = solve(&problem, &Monitor::default()).unwrap();
            prop_assert!((problem.energy(&states) - brute_force(&problem)).abs() < 1e-9);
        }
    }

    /// A dense problem that is too large for its tables.
    fn large() -> Problem {
        let value = |i: usize| ((i * 7919) % 1009) as f64 / 100.0;
        let own: Vec<Vec<f64>> = (0..14).map(|v| (0..12).map(|s| value(v * 12 + s) / 10.0).collect()).collect();
        let pair = |first: usize, second: usize| Pair {
            first,
            second,
            energy: (0..144).map(|k| value(first * 2017 + second * 144 + k)).collect(),
        };
        let pairs = (0..14).flat_map(|second| (0..second).map(move |first| pair(first, second))).collect();
        Problem { own, pairs }
    }

    #[test]
    fn what_is_too_large_is_never_worse_than_local_search() {
        let problem = large();
        let cluster = Cluster::new(&problem, &(0..14).collect::<Vec<_>>(), &neighbours(&problem));
        let local = cluster.local_search(vec![0; 14]);
        assert!(problem.energy(&cluster.solve()) <= problem.energy(&local) + 1e-9);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let bad = |own: Vec<Vec<f64>>, pairs: Vec<Pair>| solve(&Problem { own, pairs }, &Monitor::default()).is_err();
        assert!(bad(vec![vec![]], vec![]));
        assert!(bad(vec![vec![0.0]; 2], vec![Pair { first: 0, second: 1, energy: vec![] }]));
        assert!(bad(vec![vec![0.0]; 2], vec![Pair { first: 1, second: 0, energy: vec![0.0] }]));
        assert!(bad(vec![vec![0.0]; 2], vec![Pair { first: 0, second: 2, energy: vec![] }]));
        assert!(solve(&Problem::default(), &Monitor::default()).unwrap().is_empty());
    }
}
