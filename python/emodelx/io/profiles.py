"""Profiles of chains: HMMER3 files (`.hmm`) and tables of probabilities.

A profile says which amino acid every residue of a chain is. Programs of the HMMER suite search sequence databases with
it.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS
from emodelx.records import Profile

BACKGROUND = np.array([
    0.0787945, 0.0151600, 0.0535222, 0.0668298, 0.0397062, 0.0695071, 0.0229198, 0.0590092, 0.0594422, 0.0963728,
    0.0237718, 0.0414386, 0.0482904, 0.0395639, 0.0540978, 0.0683364, 0.0540687, 0.0673417, 0.0114135, 0.0304133,
])  # fmt: skip
"""Share of every amino acid in proteins, from HMMER3 (Swiss-Prot 50.8), in the order of `AMINO_ACIDS`."""
REVERSED = "_reversed"
"""Ending of the name of a profile that runs against the order of the residues."""

OPEN, EXTEND = 0.03, 0.4
"""Probabilities of a false and of a missing candidate after a residue, and of one more."""
FORWARD = (1.5, -0.935)
"""Location of the scores of random sequences: a + b log2(length x relative entropy); fitted to 2,000 random sequences
of 100 residues against 21 profiles of 8 to 480 residues, r.m.s. deviation 0.4 bits."""
FILTERS = {"MSV": -5.7, "VITERBI": -6.5}
"""The same of HMMER's quick filters, which only save time, below `FORWARD`."""


def emissions(odds: NDArray[np.floating]) -> NDArray[np.float64]:
    """Turn the odds of types against random candidates into probabilities by HMMER's background.

    Parameters
    ----------
    odds : ndarray, shape=(length, 20)
        1 everywhere where a residue was not read.

    Returns
    -------
    ndarray, dtype=float64, shape=(length, 20)
        Rows sum to 1.
    """
    weighted = odds * BACKGROUND
    return weighted / weighted.sum(axis=1, keepdims=True)


def write_hmm(path: Path, profile: Profile) -> None:
    """Write a profile as a HMMER3 file of two models, one per direction, as the direction is not always known."""
    backwards = Profile(profile.name + REVERSED, profile.residues[::-1], profile.probability[::-1])
    text = "".join(_model(p) for p in (profile, backwards))
    path.write_text(text, encoding="ascii")


def write_table(path: Path, profile: Profile) -> None:
    """Write a row per residue: position, one-letter code, and the probability of every amino acid."""
    rows = [",".join(["position", "aa", *(f"p_{letter}" for letter in AMINO_ACIDS)])]
    for position, (residue, types) in enumerate(zip(profile.residues, profile.probability, strict=True), start=1):
        rows.append(",".join([str(position), residue, *(f"{p:.5f}" for p in types)]))
    path.write_text("\n".join(rows) + "\n", encoding="ascii")


def _model(profile: Profile) -> str:
    """One model in the text format HMMER3/f."""
    length = len(profile.residues)
    head = {"NAME": profile.name, "LENG": length, "ALPH": "amino", "CONS": "yes", **_statistics(profile)}
    lines = ["HMMER3/f [emodelx]", *(f"{key}  {value}" for key, value in head.items())]
    lines += ["HMM  " + "  ".join(AMINO_ACIDS), "     m->m  m->i  m->d  i->m  i->i  d->m  d->d"]
    lines += [_costs(BACKGROUND), _transitions(first=True)]
    for position, (residue, types) in enumerate(zip(profile.residues, profile.probability, strict=True), start=1):
        lines.append(f"  {position}  {_costs(types)}  -  {residue.lower()}  -  -  -")
        lines += [_costs(BACKGROUND), _transitions(last=position == length)]
    return "\n".join([*lines, "//", ""])


def _statistics(profile: Profile) -> dict[str, str]:
    """Location and slope of the scores of random sequences, for E-values (Eddy 2008)."""
    entropy = (profile.probability * np.log2(profile.probability / BACKGROUND)).sum(axis=1).mean()
    information = max(len(profile.residues) * float(entropy), 1.0)  # bits; nothing is found with less
    slope = np.log(2) + 1.44 / information
    location = FORWARD[0] + FORWARD[1] * np.log2(information)
    places = {**{name: location + shift for name, shift in FILTERS.items()}, "FORWARD": location}
    return {f"STATS LOCAL {name}": f"{place:.4f} {slope:.5f}" for name, place in places.items()}


def _transitions(first: bool = False, last: bool = False) -> str:
    """Costs of the steps between matches, insertions and deletions."""
    onward = [1 - 2 * OPEN, OPEN, OPEN] if not last else [1 - OPEN, OPEN, 0]
    after_deletion = [1, 0] if first or last else [1 - EXTEND, EXTEND]
    return _costs(np.array([*onward, 1 - EXTEND, EXTEND, *after_deletion]))


def _costs(probability: NDArray[np.float64]) -> str:
    """Negative logarithms, `*` for impossible."""
    return "  " + "  ".join(_number(p) for p in probability)


def _number(probability: float) -> str:
    return f"{abs(np.log(probability)):.5f}" if probability > 0 else "*"
