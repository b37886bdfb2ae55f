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
    tail = "clashscore | type score | flagged: types, register"
    planted = "shifts: AUC, precision, recall, right shift | shuffles: AUC, precision, recall"
    print(f"| {head} | {tail} | {planted} |")
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
    residues = sum(map(len, file.model.chains))
    cells = [
        f"{row['emdb']}, {row['pdb']}, {row['resolution']}",
        *(f"{s[key]:.3f}" for key in ("cc_mask", "cc_box", "cc_peaks", "q_score")),
        f"{s['ramachandran_favoured']:.1%} / {s['ramachandran_outliers']:.1%}",
        f"{s['rotamer_outliers']:.1%}",
        f"{s['clashscore']:.1f}",
        f"{s['type_score']:.2f}",
        f"{s['mistyped_residues'] / residues:.1%}, {s['shifted_residues'] / residues:.1%}",
        shifts_found(file, prediction),
        shuffles_found(file, prediction),
    ]
    return "| " + " | ".join(cells) + " |"


def planted(file, prediction, spoil):
    """Spoil one stretch after the other; yields what is read then, which residues are wrong, and by how much moved."""
    calphas, types, lengths = calphas_of(file)
    rng = np.random.default_rng(0)
    for _ in range(PLANTS):
        stretch = draw_stretch(lengths, rng)
        changed = types.copy()
        changed[stretch], moved = spoil(types, stretch, rng)
        read = read_residues(calphas, changed, lengths, prediction)
        yield read, np.isin(np.arange(len(types)), stretch), moved


def shifts_found(file, prediction):
    """How well shifted stretches are found, and their shifts, as one cell."""
    plants = planted(file, prediction, shift)
    found = ((read.shift_gain, read.shifted(), wrong, read.shift == moved) for read, wrong, moved in plants)
    score, flagged, wrong, right = map(np.concatenate, zip(*found, strict=True))
    return f"{quality(score, flagged, wrong)}, {right[flagged & wrong].mean():.2f}"


def shuffles_found(file, prediction):
    """How well shuffled stretches are found, as one cell."""
    found = ((-r.type_score, r.mistyped(), wrong) for r, wrong, _ in planted(file, prediction, shuffle))
    return quality(*map(np.concatenate, zip(*found, strict=True)))


def quality(score, flagged, wrong):
    """Area under the ROC curve of the score, precision and recall of the flag."""
    return f"{area(score, wrong):.3f}, {wrong[flagged].mean():.2f}, {flagged[wrong].mean():.2f}"


def draw_stretch(lengths, rng):
    """Residues of one chain that leave room for a shift."""
    starts = np.cumsum([0, *lengths])
    chain = rng.integers(len(lengths))
    length = rng.integers(SHORTEST, LONGEST + 1)
    first = starts[chain] + rng.integers(LARGEST_SHIFT, lengths[chain] - length - LARGEST_SHIFT)
    return np.arange(first, first + length)


def shift(types, stretch, rng):
    """Types from up to four residues further along, and where the right ones are then."""
    places = rng.integers(1, LARGEST_SHIFT + 1) * rng.choice([-1, 1])
    return types[stretch + places], -places


def shuffle(types, stretch, rng):
    """The stretch's own types in another order, which are nowhere right."""
    return rng.permutation(types[stretch]), None


def area(score, positive):
    """Area under the ROC curve."""
    ranks, n = rankdata(score), positive.sum()
    return (ranks[positive].sum() - n * (n + 1) / 2) / (n * (~positive).sum())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
