//! Chain registration (Algorithm 1 of the paper): which copy of its sequence each fragment belongs to.
//!
//! Fragments join to chains by two kinds of evidence: connectivity (their ends are as far apart as the residues
//! between them span) and symmetry (together they superpose on a chain that is already joined).

use std::cmp::Ordering;

use crate::cells::squared_distance;
use crate::geometry::{Motion, SURROUNDINGS, span_log_odds};
use crate::{CoreError, Monitor, Point};

/// Residues of one sequence at positions in space: a run of them, or what a template places together.
#[derive(Debug, Clone)]
pub struct Piece {
    pub sequence: usize,
    /// Position of its first residue in the sequence.
    pub start: usize,
    /// Residues with a position; the first and the last have one.
    pub points: Vec<Option<Point>>,
}

/// Log-odds from which connectivity alone joins two parts, and from which connectivity and symmetry do; at last
/// whatever can be joined is.
const SURE: f64 = 4.0;
const LIKELY: f64 = 3.0;
/// Residues at the ends of a piece that may be wrong: distances are measured further in.
const FRAYED: usize = 2;
/// Residues by which pieces of one chain may overlap, because one of them went too far.
const OVERLAP: usize = 4;
/// Residues further apart than this leave room for another piece between them.
const ROOM: usize = 5;
/// Residues that the larger and the smaller of two parts must share with a model.
const SHARED: (usize, usize) = (12, 4);
/// Chains that parts are compared with.
const MODELS: usize = 4;
/// Error in Angstrom of a symmetric prediction, and the lowest log-odds that one gives.
const SYMMETRY_ERROR: f64 = 2.5;
const LEAST_SYMMETRY: f64 = -6.0;

/// The copy of its sequence that every piece belongs to; None for what fits into no copy.
///
/// `copies` is their number per sequence; the copy with most residues is 0.
pub fn assign(pieces: &[Piece], copies: &[usize], monitor: &Monitor) -> Result<Vec<Option<usize>>, CoreError> {
    check(pieces, copies)?;
    let mut copy_of = vec![None; pieces.len()];
    monitor.begin(copies.len());
    for (sequence, &copies) in copies.iter().enumerate() {
        let own: Vec<usize> = (0..pieces.len()).filter(|&i| pieces[i].sequence == sequence).collect();
        let mut parts: Vec<Part> = own.iter().map(|&i| Part::new(i, &pieces[i])).collect();
        join(&mut parts, Part::connectivity, SURE, monitor)?;
        for least in [LIKELY, f64::MIN] {
            let models = largest(&parts);
            join(&mut parts, |a, b| Some(a.connectivity(b)? + a.symmetry(b, &models)), least, monitor)?;
        }
        sort_by_size(&mut parts);
        for (copy, part) in parts.iter().take(copies).enumerate() {
            part.members.iter().for_each(|&i| copy_of[i] = Some(copy));
        }
        monitor.advance(1)?;
    }
    Ok(copy_of)
}

fn check(pieces: &[Piece], copies: &[usize]) -> Result<(), CoreError> {
    let mut ends = pieces.iter().flat_map(|piece| [piece.points.first(), piece.points.last()]);
    if ends.any(|end| end.is_none_or(Option::is_none)) {
        return Err(CoreError::Invalid("pieces must begin and end with a point".into()));
    }
    if pieces.iter().any(|piece| piece.sequence >= copies.len()) {
        return Err(CoreError::Invalid("pieces name sequences that do not exist".into()));
    }
    Ok(())
}

/// Pieces that belong together.
#[derive(Debug, Clone)]
struct Part {
    members: Vec<usize>,
    /// Residues by position and, where members overlap and positions come twice, by point: whatever the order of joining.
    residues: Vec<(usize, Point)>,
    /// First and last position of every stretch, ascending.
    spans: Vec<(usize, usize)>,
}

impl Part {
    fn new(index: usize, piece: &Piece) -> Self {
        let placed = piece.points.iter().enumerate().filter_map(|(i, p)| p.map(|p| (piece.start + i, p)));
        let residues: Vec<(usize, Point)> = placed.collect();
        let spans = residues.chunk_by(|a, b| b.0 - a.0 <= ROOM).filter_map(|run| Some((run.first()?.0, run.last()?.0)));
        Self { members: vec![index], spans: spans.collect(), residues }
    }

    fn size(&self) -> usize {
        self.residues.len()
    }

    /// The residue at `position`; the first of them where members overlap.
    fn at(&self, position: usize) -> Option<Point> {
        self.first_from(position).filter(|r| r.0 == position).map(|r| r.1)
    }

    /// The last residue at or before `position`.
    fn last_until(&self, position: usize) -> Option<(usize, Point)> {
        self.residues[..self.residues.partition_point(|r| r.0 <= position)].last().copied()
    }

    /// The first residue at or after `position`.
    fn first_from(&self, position: usize) -> Option<(usize, Point)> {
        self.residues.get(self.residues.partition_point(|r| r.0 < position)).copied()
    }

    fn absorb(&mut self, other: &Part) {
        self.members.extend(&other.members);
        self.members.sort_unstable();
        self.residues.extend(&other.residues);
        self.residues.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
        self.spans.extend(&other.spans);
        self.spans.sort_unstable();
    }

    /// Log-odds of the distances over the gaps where the two parts follow each other; None where they overlap.
    fn connectivity(&self, other: &Part) -> Option<f64> {
        let mine = self.spans.iter().map(|s| (*s, self));
        let theirs = other.spans.iter().map(|s| (*s, other));
        let mut all: Vec<((usize, usize), &Part)> = mine.chain(theirs).collect();
        all.sort_by_key(|(span, _)| *span);
        let mut total = 0.0;
        for pair in all.windows(2) {
            let ((_, end), before) = pair[0];
            let ((begin, _), after) = pair[1];
            if begin + OVERLAP <= end {
                return None;
            }
            if !std::ptr::eq(before, after) {
                // Where the pieces overlap, the ends of both are doubtful.
                let tail = before.last_until(end.min(begin.checked_sub(1)?).checked_sub(FRAYED)?)?;
                let head = after.first_from(begin.max(end + 1) + FRAYED)?;
                total += span_log_odds(squared_distance(&tail.1, &head.1).sqrt(), head.0 - tail.0);
            }
        }
        Some(total)
    }

    /// Points of this part and of `other` at the positions that both have.
    fn shared(&self, other: &Part) -> (Vec<Point>, Vec<Point>) {
        self.residues.iter().filter_map(|(position, p)| other.at(*position).map(|q| (*p, q))).unzip()
    }

    /// Log-odds that the two parts lie to each other as in a chain of `models`, against anywhere.
    fn symmetry(&self, other: &Part, models: &[Part]) -> f64 {
        // Of equal ones the first member decides, so that the order of joining does not.
        let larger = (self.size(), &other.members) > (other.size(), &self.members);
        let (large, small) = if larger { (self, other) } else { (other, self) };
        let error = models.iter().filter_map(|model| large.misplacement(small, model)).min_by(f64::total_cmp);
        error.map_or(0.0, |e| symmetry_log_odds(e).max(LEAST_SYMMETRY))
    }

    /// Distance (RMS) of `other` from where `model` has it when the model is superposed on this part.
    fn misplacement(&self, other: &Part, model: &Part) -> Option<f64> {
        let (target, mobile) = self.shared(model);
        let (found, predicted) = other.shared(model);
        if mobile.len() < SHARED.0 || found.len() < SHARED.1 {
            return None;
        }
        Some(Motion::superpose(&mobile, &target)?.rmsd(&predicted, &found))
    }
}

fn symmetry_log_odds(error: f64) -> f64 {
    let z = error / SYMMETRY_ERROR;
    let volume = 4.0 / 3.0 * std::f64::consts::PI * SURROUNDINGS.powi(3);
    let gaussian = (std::f64::consts::TAU.sqrt() * SYMMETRY_ERROR).powi(3);
    (volume / gaussian).ln() - 0.5 * z * z
}

/// The largest parts, which the others are compared with.
fn largest(parts: &[Part]) -> Vec<Part> {
    let mut models = parts.to_vec();
    sort_by_size(&mut models);
    models.truncate(MODELS);
    models
}

fn sort_by_size(parts: &mut [Part]) {
    parts.sort_by(|a, b| b.size().cmp(&a.size()).then(a.members.cmp(&b.members)));
}

/// Joins the two parts with the highest score again and again, until no score reaches `least`.
fn join<F>(parts: &mut Vec<Part>, score: F, least: f64, monitor: &Monitor) -> Result<(), CoreError>
where
    F: Fn(&Part, &Part) -> Option<f64>,
{
    let row = |i: usize| {
        monitor.check()?;
        Ok((0..i).map(|j| score(&parts[i], &parts[j])).collect())
    };
    let mut scores = (0..parts.len()).map(row).collect::<Result<Vec<Vec<Option<f64>>>, CoreError>>()?;
    while let Some((i, j)) = best_pair(&scores, least) {
        monitor.check()?;
        // Row and column i leave; part j < i grows.
        let gone = parts.remove(i);
        scores.remove(i);
        scores.iter_mut().skip(i).for_each(|row| {
            row.remove(i);
        });
        parts[j].absorb(&gone);
        for other in 0..parts.len() {
            if other != j {
                scores[other.max(j)][other.min(j)] = score(&parts[other], &parts[j]);
            }
        }
    }
    Ok(())
}

fn best_pair(scores: &[Vec<Option<f64>>], least: f64) -> Option<(usize, usize)> {
    let all = scores.iter().enumerate().flat_map(|(i, row)| row.iter().enumerate().map(move |(j, s)| (i, j, *s)));
    let good = all.filter_map(|(i, j, s)| s.filter(|s| *s >= least).map(|s| (i, j, s)));
    good.max_by(|a, b| a.2.total_cmp(&b.2)).map(|(i, j, _)| (i, j))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A straight piece along x, whose residues are 3.3 apart as in a strand.
    fn piece(start: usize, length: usize, y: f64) -> Piece {
        let points = (start..start + length).map(|i| Some([3.3 * i as f64, y, 0.0])).collect();
        Piece { sequence: 0, start, points }
    }

    #[test]
    fn pieces_follow_each_other_where_the_distance_fits() {
        let first = Part::new(0, &piece(0, 9, 0.0));
        let onward = first.connectivity(&Part::new(1, &piece(10, 9, 0.0))).unwrap();
        let aside = first.connectivity(&Part::new(1, &piece(10, 9, 60.0))).unwrap();
        assert!(onward > 0.0 && aside.is_infinite(), "{onward} {aside}");
    }

    #[test]
    fn ends_may_overlap_by_four_residues() {
        let first = Part::new(0, &piece(0, 12, 0.0));
        assert!(first.connectivity(&Part::new(1, &piece(8, 9, 0.0))).is_some());
        assert!(first.connectivity(&Part::new(1, &piece(7, 9, 0.0))).is_none());
    }

    #[test]
    fn of_two_residues_at_one_position_the_first_counts() {
        let mut part = Part::new(0, &piece(0, 12, 0.0));
        part.absorb(&Part::new(1, &piece(10, 9, 1.0)));
        assert_eq!(part.size(), 21);
        assert_eq!(part.at(10).map(|p| p[1]), Some(0.0));
        assert_eq!(part.at(12).map(|p| p[1]), Some(1.0));
        assert_eq!(part.at(19), None);
    }

    #[test]
    fn a_request_to_stop_is_heard() {
        let monitor = Monitor::default();
        monitor.request_stop();
        assert_eq!(assign(&[piece(0, 9, 0.0)], &[1], &monitor), Err(CoreError::Interrupted));
    }
}
