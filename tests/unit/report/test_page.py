"""The parts of the page: what they show is what was measured."""

import re
import struct
import zlib
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from emodelx.records import CalphaModel, Candidates, Chain, DensityMap, Sequence
from emodelx.report.attention import concerns
from emodelx.report.bands import NO_BAND, bands_of
from emodelx.report.figures import figures
from emodelx.report.findings import ChainFindings, find
from emodelx.report.letters import spell_chain
from emodelx.report.measures import GEOMETRY_FLAGS, MEASURES
from emodelx.report.picture import MARGIN, SIDES, draw_model
from emodelx.report.png import grey_png
from emodelx.report.tracks import describe, draw_chain
from emodelx.report.unbuilt import unbuilt_stretches
from emodelx.scoring.built import score_built
from emodelx.unexplained import is_unexplained


def findings(length=40, name="A"):
    """A chain of good residues; the first two are not built."""
    confidence = np.full(length, 95, np.float32)
    confidence[:2] = np.nan
    measures = np.full((length, len(MEASURES)), 0.8)
    measures[:2] = np.nan
    return ChainFindings(
        name,
        "ACDEFGHIKL" * (length // 10),
        confidence,
        ("", "", *["traced"] * (length - 2)),
        measures,
        np.zeros((length, len(GEOMETRY_FLAGS)), bool),
        np.full(length, np.nan, np.float32),
    )


def with_flag(found, flag, measure, values):
    measures, flags = found.measures.copy(), found.flags.copy()
    for index, value in values.items():
        measures[index, MEASURES.index(measure)] = value
        flags[index, GEOMETRY_FLAGS.index(flag)] = True
    return replace(found, measures=measures, flags=flags)


@pytest.mark.parametrize(
    ("confidence", "band"), [(100, 0), (90, 0), (89.9, 1), (70, 1), (50, 2), (0, 3), (np.nan, NO_BAND)]
)
def test_bands(confidence, band):
    assert bands_of([confidence]) == [band]


def decode(png):
    """The pixels of a grey picture without filters, and the names of its blocks."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    place, blocks = 8, {}
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        body = png[place + 4 : place + 8 + length]
        assert struct.unpack_from(">I", png, place + 8 + length) == (zlib.crc32(body),)
        blocks[body[:4]] = body[4:]
        place += 12 + length
    assert list(blocks) == [b"IHDR", b"IDAT", b"IEND"]
    columns, rows = struct.unpack_from(">II", blocks[b"IHDR"])
    lines = np.frombuffer(zlib.decompress(blocks[b"IDAT"]), np.uint8).reshape(rows, columns + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:]


@given(st.integers(1, 30), st.integers(1, 30), st.randoms())
def test_pictures_are_read_back(rows, columns, random):
    pixels = np.array([random.randrange(256) for _ in range(rows * columns)], np.uint8).reshape(rows, columns)
    np.testing.assert_array_equal(decode(grey_png(pixels)), pixels)


def straight_model(places, confidence=95.0):
    places = np.asarray(places, float)
    n = len(places)
    values = np.where(np.isfinite(places[:, 0]), confidence, 0).astype(np.float32)
    chain = Chain(0, "A", places, np.full(n, -1), np.ones(n, np.uint8), values)
    return CalphaModel((Sequence("s", "A" * n),), (chain,))


def test_the_shadow_lies_under_the_model():
    """Dense at one residue: the darkest pixel of every view is where that residue is drawn."""
    places = np.array([[12.0, 20, 31], [15, 22, 33], [18, 27, 36]])
    values = np.zeros((40, 50, 60), np.float32)
    values[tuple((places - 5).astype(int).T)] = (40.0, 12.0, 12.0)
    density = DensityMap(gaussian_filter(values, 1.5), np.full(3, 5.0), np.ones(3))
    views = draw_model(straight_model(places), density).split("<figure>")[1:]
    assert len(views) == 3
    low, high = places.min(axis=0) - MARGIN, places.max(axis=0) + MARGIN
    for view, (_, right, up, *_) in zip(views, SIDES, strict=True):
        names = ("x", "y", "width", "height")
        x, y, width, height = (float(re.search(rf'<image [^>]*\b{n}="([-\d.]+)"', view).group(1)) for n in names)
        pixels = decode(b64decode(re.search(r"base64,([^\"]+)", view).group(1)))
        row, column = np.argwhere(pixels == pixels.min()).mean(axis=0)
        dark = (x + (column + 0.5) * width / pixels.shape[1], y + (row + 0.5) * height / pixels.shape[0])
        drawn = np.array([places[0, right] - low[right], high[up] - places[0, up]])
        assert np.linalg.norm(drawn - dark) < 1.0
        assert f"{drawn[0]:.1f} {drawn[1]:.1f}" in view


def test_chains_are_drawn_where_they_are_built():
    places = np.array([[0.0, 0, 0], [3.8, 0, 0], [np.nan] * 3, [11.4, 0, 0], [15.2, 0, 0], [19, 0, 0]])
    picture = draw_model(straight_model(places), None)
    assert "<image" not in picture
    for view in picture.split("<figure>")[1:]:
        steps = sum(
            len(path.split("L")[1].split()) // 2
            for d in re.findall(r' d="(M[^"h]+)"', view)
            for path in d.split("M")[1:]
        )
        assert steps == 3, "two ends of the gap are not joined"
    assert draw_model(straight_model(np.full((3, 3), np.nan)), None) == ""


def test_near_parts_are_drawn_last():
    """A chain towards the eye along z: the layers come in its order."""
    picture = draw_model(straight_model([[0, 0, 4.0 * i] for i in range(10)]), None)
    along_z = picture.split("<figure>")[1]
    layers = [group.count("<path") for group in along_z.split('<g class="trace"')[1:]]
    assert [bool(count) for count in layers] == [True, True, True]
    opacity = [float(o) for o in re.findall(r'<g class="trace" opacity="([\d.]+)"', along_z)]
    assert opacity == sorted(opacity)


def test_plots_tell_every_residue():
    found = with_flag(findings(), "clash", "clash", {7: 0.9})
    plot = draw_chain(found, every_hover=True)
    titles = re.findall(r"<title>(.*?)</title>", plot)
    assert len(titles) == 38
    assert titles[0] == "A Asp 3: confidence 95, traced; fit 0.80; Q 0.80"
    assert titles[5].endswith("check: clash")
    assert "Clash: 1<" in plot
    assert "Rotamer: 0<" in plot
    few = re.findall(r"<title>(.*?)</title>", draw_chain(found, every_hover=False))
    assert few == [titles[5]], "only what is worth a look"
    assert describe(replace(found, b_factors=np.full(40, 61.4, np.float32)), 3).endswith("Q 0.80; B 61")


def test_plots_leave_out_what_was_not_measured():
    found = replace(findings(), measures=np.full((40, len(MEASURES)), np.nan))
    plot = draw_chain(found, every_hover=True)
    assert "Confidence" in plot
    assert "Q-score" not in plot
    assert "Ramachandran" not in plot


def test_the_sequence_is_spelt_whole():
    found = with_flag(findings(130), "rotamer", "rotamer", {64: 0.0})
    text = spell_chain(found)
    plain = re.sub(r"<b>.*?</b>|<[^>]+>|\s", "", text)
    assert plain == found.residues
    assert re.findall(r"<b> *(\d+)</b>", text) == ["1", "61", "121"]
    assert re.findall(r'<span class="none">(\w+)</span>', text) == ["AC"]
    assert re.findall(r"<u>(\w+)</u>", text) == ["F"]


def test_the_most_doubtful_come_first():
    found = with_flag(findings(), "clash", "clash", {5: 0.5, 9: 1.5})
    found = with_flag(found, "ramachandran", "ramachandran", {20: 0.0004, 21: 0.0001})
    confidence = found.confidence.copy()
    confidence[10:13], confidence[20:24], confidence[30:32] = 45, 20, 10
    unsure = replace(found, confidence=confidence)
    other = findings(name="B")
    other.measures[4:9, MEASURES.index("cc")] = 0.1
    listed = {concern.what.split(":")[0].split(",")[0]: concern.places for concern in concerns([unsure, other])}
    assert listed == {
        "Low confidence": ("/A:21-24", "/A:11-13"),  # two residues are too few
        "Poor fit": ("/B:5-9",),
        "Ramachandran outliers": ("/A:22", "/A:21"),
        "Clashes": ("/A:10", "/A:6"),
    }
    assert concerns([findings()]) == []


def test_reasons_follow_the_candidates():
    places = np.full((20, 3), np.nan)
    places[6:10] = [[3.8 * i, 0, 0] for i in range(4)]
    places[14:] = [[3.8 * i, 30, 0] for i in range(6)]
    model = straight_model(places)
    model = replace(model, sequences=(replace(model.sequences[0], copies=2, chains=("A",)),))
    positions = np.array([[0, 0, 0.5], [-3.8, 0, 0], [-7.6, 0, 0], [400.0, 0, 0], [15, 3, 0]])
    score = np.ones(5, np.float32)
    candidates = Candidates(positions, score, score, np.zeros((5, 20), np.float32))
    free = positions[is_unexplained(model, candidates)]
    np.testing.assert_array_equal(free, positions[1:])
    start, loop, copy = unbuilt_stretches(model, free)
    assert (start.chain, start.first, start.last, start.where, start.free_candidates) == ("A", 1, 6, "start", 2)
    assert start.reason.startswith("only 2 free Calphas were seen")
    assert (loop.first, loop.last, loop.where, loop.free_candidates) == (11, 14, "loop", 1)
    assert (copy.chain, copy.first, copy.last, copy.where) == ("", 1, 20, "copy")
    nothing = unbuilt_stretches(model, np.zeros((0, 3)))
    assert "saw no Calphas" in nothing[0].reason


def test_good_is_better_than_poor():
    names = ("cc_mask", "q_score", "ramachandran_favoured", "ramachandran_outliers", "rotamer_outliers", "clashscore")
    best = dict(zip(names, (1.0, 1.0, 1.0, 0.0, 0.0, 0.0), strict=True))
    worst = dict(zip(names, (0.0, 0.0, 0.0, 1.0, 1.0, 99.0), strict=True))
    assert {figure.grade for figure in figures(best)} == {"good"}
    assert {figure.grade for figure in figures(worst)} == {"poor"}
    assert [figure.value for figure in figures({"clashscore": 12.34, "cc_mask": None})] == ["12.3"]


def test_measures_lie_at_their_residues(model):
    """Residue 5 of chain A is the third of its atoms."""
    atoms = model.without_side_chains()
    scores = score_built(atoms, None)
    scores.geometry.residues.clash[:] = np.arange(5) == 2
    a, b = find(model, atoms, scores)
    assert a.flagged("clash").tolist() == [False, False, False, False, True]
    assert a.measure("clash")[4] == 1
    assert np.isnan(a.measure("clash")[[0, 3]]).all()
    assert b.built().all()
    assert a.provenance == ("", "traced", "traced", "", "threaded")
