"""Scores by hand, against a slow twin, and under motions that must not change them."""

from dataclasses import asdict, replace
from itertools import permutations

import numpy as np
import pytest

from emodelx.io.structures import CalphaChain
from emodelx.scoring import compare

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
SEQUENCE = "MKVLAWFDERTHPSNQGICY"


def line_of(sequence, start=(0.0, 0.0, 0.0), name="A", keep=None):
    """A straight chain along x, 3.8 A a residue."""
    keep = np.arange(len(sequence)) if keep is None else np.asarray(keep)
    positions = np.array(start) + np.c_[3.8 * keep, 0 * keep, 0 * keep]
    return CalphaChain(name, "".join(sequence[i] for i in keep), keep + 1, positions, sequence)


def moved(chain, by):
    return replace(chain, positions=chain.positions + np.array(by))


def tm_term(distance, n):
    return 1 / (1 + (distance / (1.24 * (max(n, 22) - 15) ** (1 / 3) - 1.8)) ** 2)


def test_identity():
    result = compare([line_of(SEQUENCE)], [line_of(SEQUENCE)])
    assert (result.n_true, result.n_model, result.rmsd) == (20, 20, 0)
    rest = asdict(result)
    assert rest.pop("mean_length") == 20
    rest = {key: value for key, value in rest.items() if key not in ("n_true", "n_model", "rmsd")}
    assert rest == dict.fromkeys(rest, 1.0)


def test_half_of_a_chain():
    result = compare([line_of(SEQUENCE, keep=range(10))], [line_of(SEQUENCE)])
    assert (result.ca_recall, result.ca_precision, result.seq_recall) == (0.5, 1, 0.5)
    assert (result.reg_acc, result.reg_precision, result.coverage, result.tm) == (0.5, 1, 0.5, 0.5)


def test_register_shift_by_one():
    shifted = moved(line_of(SEQUENCE, keep=range(19)), (3.8, 0, 0))
    result = compare([shifted], [line_of(SEQUENCE)])
    assert result.ca_recall == 0.95
    assert result.ca_precision == 1
    assert result.seq_recall == 0  # no two neighbours of this sequence are alike
    assert (result.reg_acc, result.coverage) == (0, 0.95)
    assert result.tm == pytest.approx(0.95 * tm_term(3.8, 20))


def test_sideways_by_two():
    result = compare([moved(line_of(SEQUENCE), (0, 2, 0))], [line_of(SEQUENCE)])
    assert (result.ca_recall, result.reg_acc) == (1, 1)
    assert result.rmsd == pytest.approx(2)
    assert result.tm == pytest.approx(tm_term(2, 20))


def test_three_angstrom_is_not_near():
    assert compare([moved(line_of(SEQUENCE), (0, 3.0, 0))], [line_of(SEQUENCE)]).ca_recall == 0


def test_far_away():
    result = compare([moved(line_of(SEQUENCE), (0, 500, 0))], [line_of(SEQUENCE)])
    assert (result.ca_recall, result.ca_precision, result.reg_acc, result.rmsd) == (0, 0, 0, None)
    assert result.coverage == 1
    assert result.tm < 1e-4


def test_chain_names_do_not_matter():
    reference = [line_of(SEQUENCE, (0, 50 * k, 0), name) for k, name in enumerate("ABC")]
    model = [line_of(SEQUENCE, (0, 50 * k, 0), name) for k, name in ((2, "A"), (0, "B"), (1, "C"))]
    assert compare(model, reference).reg_acc == 1


def test_the_nearer_copy_is_matched_even_when_none_is_near():
    reference = [line_of(SEQUENCE, (0, 50 * k, 0)) for k in range(2)]
    model = [line_of(SEQUENCE, (0, 50 * k + 4, 0)) for k in (1, 0)]
    result = compare(model, reference)
    assert result.reg_acc == 0
    assert result.tm == pytest.approx(tm_term(4, 40))


def test_one_model_chain_cannot_be_two_copies():
    reference = [line_of(SEQUENCE, (0, 50 * k, 0)) for k in range(2)]
    # the first half of a model chain is on one copy, the second half on the other
    mixed = line_of(SEQUENCE)
    mixed.positions[12:, 1] += 50
    result = compare([mixed], reference)
    assert (result.reg_acc, result.reg_any) == (12 / 40, 20 / 40)
    assert result.reg_precision == 12 / 20


def test_two_model_chains_cannot_be_one_copy():
    result = compare([line_of(SEQUENCE, keep=range(8)), line_of(SEQUENCE, keep=range(8, 20))], [line_of(SEQUENCE)])
    assert (result.reg_acc, result.reg_any, result.ca_recall) == (12 / 20, 1, 1)


def test_reference_without_counterpart_counts():
    other = line_of("GTWYEQANDSGTWLEQ", (0, 100, 0))
    result = compare([line_of(SEQUENCE)], [line_of(SEQUENCE), other])
    assert result.reg_acc == result.ca_recall == result.tm == 20 / 36
    assert result.reg_precision == 1


def test_model_without_counterpart_counts():
    other = line_of("GGGGGGGG", (0, 100, 0))
    result = compare([line_of(SEQUENCE), other], [line_of(SEQUENCE)])
    assert (result.reg_precision, result.ca_precision, result.reg_acc) == (20 / 28, 20 / 28, 1)


def test_empty_model():
    result = compare([], [line_of(SEQUENCE)])
    assert (result.n_model, result.ca_recall, result.tm, result.rmsd) == (0, 0, 0, None)


# ---- the slow twin ----


def forward_runs(built, true, distance):
    """Lengths in residues of the runs that follow the reference, step by step."""

    def partner(b):
        best = min(true, key=lambda t: distance(b, t))
        return best if distance(b, best) < 3 else None

    def consecutive(a, b):
        return a is not None and b is not None and a[0] is b[0] and b[1] == a[1] + 1 and distance(a, b) < 5

    runs, length = [], 1
    for a, b in zip(built, [*built[1:], None], strict=True):
        if consecutive(a, b) and consecutive(partner(a), partner(b)):
            length += 1
        else:
            runs += [length] if length > 1 else []
            length = 1
    return runs


def slow_twin(model, reference, entity_of):
    """The definitions, residue by residue; `entity_of` gives the sequence of a chain; residues meet by number."""
    true = [(c, i) for c in reference for i in range(len(c))]
    built = [(c, i) for c in model for i in range(len(c))]

    def distance(a, b):
        return float(np.linalg.norm(a[0].positions[a[1]] - b[0].positions[b[1]]))

    def residue(a):
        return a[0].residues[a[1]]

    def number(a):
        return a[0].numbers[a[1]]

    nearest = [min(distance(t, b) for b in built) for t in true]
    recall = np.mean([d < 3 for d in nearest])
    precision = np.mean([any(distance(t, b) < 3 for t in true) for b in built])
    typed = np.mean([any(distance(t, b) <= 3 and residue(t) == residue(b) for b in built) for t in true])
    hits = tm = held = anywhere = 0
    for entity in {entity_of(c) for c in reference}:
        mine = [c for c in model if entity_of(c) == entity]
        theirs = [c for c in reference if entity_of(c) == entity]

        def score(m, t):
            pairs = [(i, j) for i, x in enumerate(m.numbers) for j, y in enumerate(t.numbers) if x == y]
            ds = [distance((m, i), (t, j)) for i, j in pairs]
            return np.array([sum(d < 3 for d in ds), sum(tm_term(d, len(true)) for d in ds), len(ds)])

        count = max(len(mine), len(theirs))
        table = np.zeros((count, count, 3))
        for a, m in enumerate(mine):
            for b, t in enumerate(theirs):
                table[a, b] = score(m, t)
        sums = [sum(table[a, b] for a, b in enumerate(order)) for order in permutations(range(count))]
        best = max(sums, key=lambda s: s[0] + 1e-3 * s[1])
        hits, tm, held = hits + best[0], tm + best[1], held + best[2]
        anywhere += sum(
            any(number(b) == number(t) and distance(t, b) < 3 for b in built if entity_of(b[0]) == entity)
            for t in true
            if entity_of(t[0]) == entity
        )
    found = [d for d in nearest if d < 3]
    n = len(true)
    runs = forward_runs(built, true, distance)
    return {
        "n_true": n,
        "n_model": len(built),
        "ca_recall": recall,
        "ca_precision": precision,
        "seq_recall": typed,
        "reg_acc": hits / n,
        "reg_precision": hits / len(built),
        "reg_any": anywhere / n,
        "tm": tm / n,
        "coverage": held / n,
        "rmsd": np.sqrt(np.mean(np.square(found))) if found else None,
        "forward_rate": sum(runs) / len(built),
        "mean_length": float(np.mean(runs)) if runs else 0.0,
    }


def random_complex(rng):
    """Up to three sequences, one to four copies each; the model has gaps, noise, swaps and shifts."""
    model, reference = [], []
    for _ in range(rng.integers(1, 4)):
        length = rng.integers(12, 40)
        sequence = "".join(rng.choice(list(AMINO_ACIDS), length))
        for _ in range(rng.integers(1, 5)):
            start = rng.uniform(0, 60, 3)
            path = np.cumsum(rng.normal(0, 2.2, (length, 3)), axis=0) + start
            true = np.flatnonzero(rng.random(length) < 0.9)
            reference.append(
                CalphaChain("r", "".join(sequence[i] for i in true), true + 1, path[true], rng.choice(["", sequence]))
            )
            built = np.flatnonzero(rng.random(length) < 0.8)
            wrong = np.roll(path, rng.integers(0, 2), axis=0) + rng.normal(0, 1.2, path.shape)
            model.append(CalphaChain("m", "".join(sequence[i] for i in built), built + 1, wrong[built], sequence))
    return [model[i] for i in rng.permutation(len(model))][: rng.integers(1, len(model) + 1)], reference


@pytest.mark.parametrize("seed", range(30))
def test_fast_is_slow_twin(seed):
    model, reference = random_complex(np.random.default_rng(seed))
    full = {chain.sequence for chain in [*model, *reference]} - {""}

    def entity_of(chain):
        return chain.sequence or next(
            (s for s in full if all(s[n - 1 : n] == r for n, r in zip(chain.numbers, chain.residues, strict=True))),
            "other",
        )

    fast, slow = asdict(compare(model, reference)), slow_twin(model, reference, entity_of)
    assert fast.keys() == slow.keys()
    for key, value in slow.items():
        assert fast[key] == (value if value is None else pytest.approx(value, abs=1e-9)), key


@pytest.mark.parametrize("seed", range(5))
def test_moving_both_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    model, reference = random_complex(rng)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]

    def move(chains):
        return [replace(chain, positions=chain.positions @ rotation + 17) for chain in chains]

    before, after = asdict(compare(model, reference)), asdict(compare(move(model), move(reference)))
    assert before == pytest.approx(after)


@pytest.mark.parametrize("seed", range(5))
def test_order_of_chains_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    model, reference = random_complex(rng)
    assert asdict(compare(model[::-1], reference[::-1])) == pytest.approx(asdict(compare(model, reference)))
