"""Score the deposited models of a folder of maps, and how well planted errors are found, for docs/accuracy.md.

Usage: python benches/deposited_models.py MAPS_FOLDER

The folder holds `manifest.csv` with the columns emdb, pdb, resolution, map and model, and the files it names.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from emodelx.io.atoms import read_model
from emodelx.io.maps import read_map
from emodelx.network.device import choose_device
from emodelx.network.predict import read_density
from emodelx.network.weights import find_weights
from emodelx.scoring.agreement import Evidence
from emodelx.scoring.card import calphas_of, score_model, summary
from emodelx.scoring.reading import read_residues

PLANTS = 40
SHORTEST, LONGEST = 10, 30
LARGEST_SHIFT = 4


def main(folder):
    """Print one row per map."""
    head = "map, model, A | CC_mask | CC_box | CC_peaks | Q | Ramachandran favoured / outliers | rotamer outliers"
    tail = "clashscore | type score | flagged | shifts: AUC, precision, recall | shuffles: AUC, precision, recall"
    print(f"| {head} | {tail} |")
    print("|---" * 12 + "|")
    for row in csv.DictReader((folder / "manifest.csv").read_text().splitlines()):
        print(line(folder, row), flush=True)


def line(folder, row):
    """The row of one map."""
    file = read_model(folder / row["model"])
    density, resolution = read_map(folder / row["map"]).density, float(row["resolution"])
    prediction = read_density(density, find_weights(None), choose_device("auto"), resolution)
    card = score_model(file, evidence=Evidence(density, resolution), prediction=prediction)
    s = summary(card)
    flagged = s["mistyped_residues"] / sum(map(len, file.model.chains))
    cells = [
        f"{row['emdb']}, {row['pdb']}, {row['resolution']}",
        *(f"{s[key]:.3f}" for key in ("cc_mask", "cc_box", "cc_peaks", "q_score")),
        f"{s['ramachandran_favoured']:.1%} / {s['ramachandran_outliers']:.1%}",
        f"{s['rotamer_outliers']:.1%}",
        f"{s['clashscore']:.1f}",
        f"{s['type_score']:.2f}",
        f"{flagged:.1%}",
        *planted(file, prediction),
    ]
    return "| " + " | ".join(cells) + " |"


def planted(file, prediction):
    """How well shifted and shuffled stretches are found: one cell each."""
    calphas, types, lengths = calphas_of(file)
    for spoil in (shifted, shuffled):
        rng = np.random.default_rng(0)
        scores, flags, wrong = [], [], []
        for _ in range(PLANTS):
            stretch = draw_stretch(lengths, rng)
            changed = types.copy()
            changed[stretch] = spoil(types, stretch, rng)
            read = read_residues(calphas, changed, lengths, prediction)
            scores.append(read.type_score)
            flags.append(read.mistyped())
            wrong.append(np.isin(np.arange(len(types)), stretch))
        scores, flagged, wrong = map(np.concatenate, (scores, flags, wrong))
        yield f"{area(-scores, wrong):.3f}, {wrong[flagged].mean():.2f}, {flagged[wrong].mean():.2f}"


def draw_stretch(lengths, rng):
    """Residues of one chain that leave room for a shift."""
    starts = np.cumsum([0, *lengths])
    chain = rng.integers(len(lengths))
    length = rng.integers(SHORTEST, LONGEST + 1)
    first = starts[chain] + rng.integers(LARGEST_SHIFT, lengths[chain] - length - LARGEST_SHIFT)
    return np.arange(first, first + length)


def shifted(types, stretch, rng):
    """Types from up to four residues further along."""
    shift = rng.integers(1, LARGEST_SHIFT + 1) * rng.choice([-1, 1])
    return types[stretch + shift]


def shuffled(types, stretch, rng):
    """The stretch's own types in another order."""
    return rng.permutation(types[stretch])


def area(score, positive):
    """Area under the ROC curve."""
    ranks, n = rankdata(score), positive.sum()
    return (ranks[positive].sum() - n * (n + 1) / 2) / (n * (~positive).sum())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
