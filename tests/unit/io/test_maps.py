"""Maps: a peak planted through every header variant is found at its place; every bad file is named."""

import gzip
import math
import struct
import tracemalloc
from itertools import permutations, product

import gemmi
import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emodelx.errors import InputError
from emodelx.io import maps
from emodelx.io.maps import MapLayout, read_map, write_map
from emodelx.records import DensityMap

AXIS_ORDERS = list(permutations((1, 2, 3)))
STRUCT_CODES = {0: "b", 1: "h", 2: "f", 6: "H", 12: "e"}
SHAPE = (9, 10, 12)
SPACING = (1.0, 1.25, 0.75)
PEAK = (6, 2, 9)


@pytest.fixture(scope="module", autouse=True)
def many_blocks():
    """Move volumes in many small blocks, as large maps are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "BLOCK_BYTES", 1000)
        yield


def raw_map(
    voxel_at, shape=SHAPE, *, mode=2, order="<", axes=(1, 2, 3), start=(0, 0, 0), origin=(0, 0, 0), intervals=None,
    cell=None, angles=(90, 90, 90), group=1, extended=0, word=b"MAP ", stamp=None, labels=(), imod=(0, 0), code=None,
    true_axes=None,
):  # fmt: skip
    """Bytes of a map, voxel by voxel from the text of the MRC2014 standard; `start` is given in x, y, z order."""
    file_axes = true_axes or axes
    intervals = intervals or shape
    cell = cell or [n * d for n, d in zip(shape, SPACING, strict=True)]
    size = [shape[a - 1] for a in file_axes]
    machine = {"<": b"\x44\x44\0\0", ">": b"\x11\x11\0\0"}[order] if stamp is None else stamp
    header = struct.pack(f"{order}3ii3i3i", *size, mode, *(start[a - 1] for a in file_axes), *intervals)
    header += struct.pack(f"{order}3f3f3i3f2i", *cell, *angles, *axes, 0, 1, 0, group, extended)
    header += bytes(56) + struct.pack(f"{order}2i", *imod) + bytes(36) + struct.pack(f"{order}3f", *origin)
    header += word + machine + struct.pack(f"{order}fi", 1, len(labels)) + b"".join(text.ljust(80) for text in labels)
    body = bytearray()
    for s, r, c in product(range(size[2]), range(size[1]), range(size[0])):
        xyz = [0, 0, 0]
        for axis, index in zip(file_axes, (c, r, s), strict=True):
            xyz[axis - 1] = index
        body += struct.pack(order + (code or STRUCT_CODES[mode]), voxel_at(*xyz))
    return header.ljust(1024, b"\0") + bytes(extended) + bytes(body)


def peak(x, y, z):
    return 100 if (x, y, z) == PEAK else (x + y + z) % 3


def save(folder, content, name="m.mrc"):
    path = folder / name
    path.write_bytes(content)
    return path


def found_peak(density):
    index = np.unravel_index(np.argmax(density.values), density.values.shape)
    return density.origin + np.array(index) * density.spacing


@pytest.mark.parametrize("axes", AXIS_ORDERS)
@pytest.mark.parametrize("mode", STRUCT_CODES)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("start", "origin", "corner", "warned"),
    [
        ((0, 0, 0), (0, 0, 0), (0, 0, 0), 0),
        ((-4, 7, 3), (0, 0, 0), (-4 * 1.0, 7 * 1.25, 3 * 0.75), 0),
        ((0, 0, 0), (10.5, -20.25, 0), (10.5, -20.25, 0), 0),
        ((-4, 7, 3), (10.5, -20.25, 0), (10.5, -20.25, 0), 1),
        ((-4, 8, 4), (-4, 10, 3), (-4, 10, 3), 0),
    ],
    ids=["none", "NSTART", "ORIGIN", "disagree", "agree"],
)
def test_planted_peak_is_found_in_every_header_variant(tmp_path, axes, mode, order, start, origin, corner, warned):
    path = save(tmp_path, raw_map(peak, axes=axes, mode=mode, order=order, start=start, origin=origin))
    found = read_map(path)
    expected = [c + i * d for c, i, d in zip(corner, PEAK, SPACING, strict=True)]
    np.testing.assert_allclose(found_peak(found.density), expected, atol=1e-4)
    assert found.density.values.shape == SHAPE
    assert found.density.values.flags.c_contiguous
    assert len(found.warnings) == warned
    assert all(found.density.values[i] == peak(*i) for i in product(*map(range, SHAPE)))


@pytest.mark.parametrize(
    "layout", [MapLayout(axes=axes, placement=p) for axes in AXIS_ORDERS for p in ("ORIGIN", "NSTART")]
)
def test_other_libraries_find_the_peak_in_what_is_written(tmp_path, layout):
    density = planted(origin=np.array((-4, 8, 4)) * SPACING)
    path = tmp_path / "m.mrc"
    write_map(path, density, layout)
    with mrcfile.open(path) as other:
        assert mrcfile.validate(path)
        crs = np.unravel_index(np.argmax(other.data), other.data.shape)[::-1]
        assert [crs[layout.axes.index(axis)] for axis in (1, 2, 3)] == list(PEAK)
        assert other.header.rms == pytest.approx(density.values.std(), rel=1e-5)
    if layout.placement == "NSTART":  # gemmi knows no ORIGIN
        grid = gemmi.read_ccp4_map(str(path))
        fractions = np.add(PEAK, (-4, 8, 4)) / SHAPE
        grid.setup(0.0)
        assert grid.grid.interpolate_value(gemmi.Fractional(*fractions)) == pytest.approx(100)


def planted(origin=(0.0, 0.0, 0.0)):
    values = np.fromfunction(np.vectorize(peak), SHAPE).astype(np.float32)
    return DensityMap(values, np.array(origin, np.float64), np.array(SPACING))


@settings(max_examples=50, deadline=None)
@given(
    shape=st.tuples(*[st.integers(4, 12)] * 3),
    layout=st.builds(
        MapLayout,
        mode=st.sampled_from(sorted(STRUCT_CODES)),
        axes=st.sampled_from(AXIS_ORDERS),
        byte_order=st.sampled_from("<>"),
        placement=st.sampled_from(["ORIGIN", "NSTART"]),
    ),
    name=st.sampled_from(["m.mrc", "m.map", "m.ccp4.gz"]),
    start=st.tuples(*[st.integers(-40, 40)] * 3),
    seed=st.integers(0, 99),
)
def test_what_is_written_is_read_back(tmp_path_factory, shape, layout, name, start, seed):
    values = np.random.default_rng(seed).integers(0, 100, shape).astype(np.float32)
    values[0, 0, 0], values[-1, -1, -1] = 0, 100
    spacing = np.array([2.0, 2.5, 3.25])
    density = DensityMap(values, start * spacing, spacing)
    path = tmp_path_factory.mktemp("maps") / name
    write_map(path, density, layout)
    again = read_map(path)
    np.testing.assert_array_equal(again.density.values, values)
    np.testing.assert_allclose(again.density.origin, density.origin, atol=1e-4)
    np.testing.assert_allclose(again.density.spacing, spacing, rtol=1e-6)
    assert (again.header.mode, again.header.axes) == (layout.mode, layout.axes)
    assert sorted(p.name for p in path.parent.iterdir()) == [name]


def chimerax_origin(start, origin, spacing, intervals, mrc2000):
    """The placement rule as it is told, word by word; `start` in x, y, z order."""
    if mrc2000 and any(v != 0 for v in origin):
        sound = all(math.isfinite(v) for v in origin)
        if sound and all(np.float32(v) + np.float32(d) != np.float32(v) for v, d in zip(origin, spacing, strict=True)):
            return [float(np.float32(v)) for v in origin]
    if any(abs(v) > 10 * max(*intervals, *SHAPE) for v in start):
        return [0, 0, 0]
    return [v * d for v, d in zip(start, spacing, strict=True)]


SANE = st.floats(-500, 500, width=32)
ORIGIN_WORD = st.one_of(st.just(0.0), SANE, st.sampled_from([math.nan, math.inf, -math.inf, 3e38, 1e9, -2.5e7, 1e-40]))
START_WORD = st.one_of(st.just(0), st.integers(-130, 130), st.sampled_from([-(2**31), 2**31 - 1, 120, 121, -121]))


@settings(max_examples=80, deadline=None)
@given(
    axes=st.sampled_from(AXIS_ORDERS),
    start=st.tuples(START_WORD, START_WORD, START_WORD),
    origin=st.tuples(ORIGIN_WORD, ORIGIN_WORD, ORIGIN_WORD),
    intervals=st.tuples(*[st.integers(5, 20)] * 3),
    mrc2000=st.booleans(),
)
def test_placement_is_that_of_chimerax(tmp_path_factory, axes, start, origin, intervals, mrc2000):
    cell = [m * d for m, d in zip(intervals, SPACING, strict=True)]
    content = raw_map(
        peak,
        axes=axes,
        start=start,
        origin=origin,
        intervals=intervals,
        cell=cell,
        word=b"MAP " if mrc2000 else bytes(4),
    )
    density = read_map(save(tmp_path_factory.mktemp("maps"), content)).density
    expected = chimerax_origin(start, origin, SPACING, intervals, mrc2000)
    np.testing.assert_allclose(density.origin, expected, rtol=1e-6, atol=1e-4)


def test_garbage_placement_is_reported(tmp_path):
    content = raw_map(peak, start=(2**30, 0, 0), origin=(math.nan, 1e30, 0))
    found = read_map(save(tmp_path, content))
    assert found.density.origin.tolist() == [0, 0, 0]
    assert len(found.warnings) == 2
    assert "NSTART" in found.warnings[0]
    assert "ORIGIN" in found.warnings[1]


def test_chimerax_is_told_how_to_open_a_ccp4_name_that_is_placed_by_origin(tmp_path):
    content = raw_map(peak, origin=(5, 5, 5))
    assert "format mrc" in read_map(save(tmp_path, gzip.compress(content), "m.map.gz")).warnings[0]
    assert not read_map(save(tmp_path, content, "m.mrc")).warnings


@pytest.mark.parametrize("axes", [(0, 0, 0), (1, 1, 2), (-5, 2, 3), (1, 2, 2**30)])
def test_bad_axis_words_mean_x_y_z(tmp_path, axes):
    found = read_map(save(tmp_path, raw_map(peak, axes=axes, true_axes=(1, 2, 3), start=(1, 2, 3))))
    np.testing.assert_allclose(
        found_peak(found.density), [(i + s) * d for i, s, d in zip(PEAK, (1, 2, 3), SPACING, strict=True)]
    )
    assert "MAPC" in found.warnings[0]


@pytest.mark.parametrize(
    "words", [{"intervals": (0, 10, 12)}, {"intervals": (9, -1, 12)}, {"cell": (0, 1, 1)}, {"cell": (9, math.nan, 12)}]
)
def test_voxels_without_size_are_one_angstrom(tmp_path, words):
    found = read_map(save(tmp_path, raw_map(peak, start=(1, 0, 0), **words)))
    assert found.density.spacing.tolist() == [1, 1, 1]
    assert found_peak(found.density).tolist() == [7, 2, 9]
    assert "1 A" in found.warnings[0]


def test_voxel_size_is_cell_over_intervals_not_over_grid(tmp_path):
    found = read_map(save(tmp_path, raw_map(peak, intervals=(18, 20, 24), cell=(18, 30, 48))))
    assert found.density.spacing.tolist() == [1.0, 1.5, 2.0]


@pytest.mark.parametrize("angles", [(0, 0, 0), (90, 90, 180), (math.nan, 90, 90), (170, 170, 30), (90.001, 90, 90)])
def test_angles_that_are_no_cell_angles_count_as_right(tmp_path, angles):
    assert found_peak(read_map(save(tmp_path, raw_map(peak, angles=angles))).density).tolist() == [6, 2.5, 6.75]


@pytest.mark.parametrize("stamp", [b"\x44\x41\0\0", b"\0\0\0\0", b"\x11\x11\0\0"])
def test_byte_order_is_seen_in_the_sizes_where_the_machine_stamp_is_wrong(tmp_path, stamp):
    assert found_peak(read_map(save(tmp_path, raw_map(peak, stamp=stamp))).density).tolist() == [6, 2.5, 6.75]


@pytest.mark.parametrize("group", [0, 1, 19])
def test_space_group_does_not_matter_for_a_volume(tmp_path, group):
    assert read_map(save(tmp_path, raw_map(peak, group=group))).density.values.max() == 100


@pytest.mark.parametrize(
    ("words", "highest"),
    [
        ({"word": bytes(4)}, 200),
        ({"imod": (1146047817, 0)}, 200),
        ({"imod": (1146047817, 1)}, 100),
        ({}, 100),
    ],
    ids=["old", "imod unsigned", "imod signed", "mrc2014"],
)
def test_bytes_are_signed_unless_the_file_is_old_or_imod_says_so(tmp_path, words, highest):
    def bright(x, y, z):
        return {PEAK: 100, (0, 0, 0): 200}.get((x, y, z), 0)

    found = read_map(save(tmp_path, raw_map(bright, mode=0, code="B", **words)))
    assert found.density.values.max() == highest


def test_one_interval_along_z_is_a_stack_only_where_the_space_group_says_so(tmp_path):
    found = read_map(save(tmp_path, raw_map(peak, group=1, intervals=(9, 10, 1))))
    assert found.density.values.shape == SHAPE


def test_extended_header_is_skipped(tmp_path):
    density = read_map(save(tmp_path, raw_map(peak, extended=240))).density
    assert found_peak(density).tolist() == [6, 2.5, 6.75]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_extended_header_that_is_announced_and_not_there(tmp_path, pack):
    content = raw_map(peak, extended=80)
    content = content[:1024] + content[1104:]
    assert found_peak(read_map(save(tmp_path, pack(content))).density).tolist() == [6, 2.5, 6.75]


def test_gzip_is_told_by_content_not_by_name(tmp_path):
    content = raw_map(peak)
    plain = read_map(save(tmp_path, content, "plain.map.gz")).density
    packed = read_map(save(tmp_path, gzip.compress(content), "packed.mrc")).density
    np.testing.assert_array_equal(plain.values, packed.values)


def test_gzip_in_several_members(tmp_path):
    content = raw_map(peak)
    parts = gzip.compress(content[:2000]) + gzip.compress(content[2000:])
    assert read_map(save(tmp_path, parts)).density.values.max() == 100


def test_voxels_that_are_not_finite_are_replaced_and_counted(tmp_path):
    density = planted()
    density.values[0, 0, 0], density.values[1, 2, 3], density.values[8, 9, 11] = np.nan, np.inf, -np.inf
    path = save(tmp_path, raw_map(lambda *xyz: float(density.values[xyz])))
    found = read_map(path)
    assert "3 of 1080 voxels" in found.warnings[0]
    assert [found.density.values[i] for i in ((0, 0, 0), (1, 2, 3), (8, 9, 11))] == [0, 0, 0]
    assert np.isfinite(found.density.values).all()


def test_signalling_nan_is_replaced_without_a_complaint(tmp_path):
    signalling = struct.pack(">I", 0x7F800001)
    found = read_map(save(tmp_path, GOOD_BIG[:1024] + signalling + GOOD_BIG[1028:]))
    assert found.density.values[0, 0, 0] == 0
    assert len(found.warnings) == 1
    read_map(save(tmp_path, GOOD_BIG[:52] + 3 * signalling + GOOD_BIG[64:196] + 3 * signalling + GOOD_BIG[208:]))


def test_replaced_voxels_stay_within_the_range_of_the_map(tmp_path):
    path = save(tmp_path, raw_map(lambda *xyz: math.nan if xyz[0] == 0 else 50 + xyz[2]))
    values = read_map(path).density.values
    assert values[0].tolist() == np.full((10, 12), 50).tolist()


def test_reading_holds_one_copy_of_the_volume(tmp_path, monkeypatch):
    monkeypatch.setattr(maps, "BLOCK_BYTES", 1 << 18)
    values = np.zeros((120, 130, 140), np.float32)
    values[3, 4, 5] = 1
    path = tmp_path / "m.map.gz"
    write_map(path, DensityMap(values, np.zeros(3), np.ones(3)))
    tracemalloc.start()
    read_map(path)
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert highest < 1.3 * values.nbytes


def test_the_same_map_is_written_in_the_same_bytes(tmp_path):
    for name in ("a.mrc.gz", "b.mrc.gz"):
        write_map(tmp_path / name, planted())
    assert (tmp_path / "a.mrc.gz").read_bytes() == (tmp_path / "b.mrc.gz").read_bytes()


GOOD = raw_map(peak)
PACKED = gzip.compress(GOOD)
GOOD_BIG = raw_map(peak, order=">")
FLAT = raw_map(lambda *_: 3)

BAD_FILES = {
    "truncated": (GOOD[:-1], "cut short"),
    "header only": (GOOD[:1024], "cut short"),
    "half a header": (GOOD[:500], "not a density map"),
    "empty file": (b"", "empty"),
    "text": (b">protein\nMKLV\n" * 200, "not a density map"),
    "zeros": (bytes(4096), "not a density map"),
    "gzip cut short": (PACKED[: len(PACKED) // 2], "damaged or cut short"),
    "gzip without its end": (PACKED[:-3], "damaged or cut short"),
    "gzip damaged": (PACKED[:40] + bytes(40) + PACKED[80:], "damaged or cut short"),
    "gzip of a cut map": (gzip.compress(GOOD[:-10]), "cut short"),
    "gzip of a header beyond all memory": (gzip.compress(struct.pack("<3i", *[60000] * 3) + GOOD[12:]), "cut short"),
    "gzip of text": (gzip.compress(b"hello"), "not a density map"),
    "complex": (raw_map(peak, mode=4, code="d"), "mode 4"),
    "four bits": (raw_map(peak, mode=101, code="b"), "mode 101"),
    "negative size": (GOOD[:4] + struct.pack("<i", -3) + GOOD[8:], "impossible grid"),
    "negative extended header": (GOOD[:92] + struct.pack("<i", -80) + GOOD[96:], "extended header"),
    "image stack": (raw_map(peak, group=0, intervals=(9, 10, 1)), "stack of 12 images"),
    "volume stack": (raw_map(peak, group=401, intervals=(9, 10, 4)), "stack of 3 volumes"),
    "flat image": (raw_map(lambda *xyz: xyz[0], shape=(9, 10, 1)), "not a volume"),
    "constant": (FLAT, "every voxel is 3"),
    "nothing finite": (raw_map(lambda *_: math.nan), "every voxel is 0"),
    "too small": (raw_map(peak, cell=(9, 10, 6)), "too small"),
    "skewed": (raw_map(peak, angles=(90, 90, 120)), "skewed"),
    "rotated": (raw_map(peak, labels=[b"Chimera rotation: 0 0 1 30"]), "rotated"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_named_in_one_line(tmp_path, case):
    content, reason = BAD_FILES[case]
    path = save(tmp_path, content)
    with pytest.raises(InputError, match=reason) as caught:
        read_map(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_stack_by_name_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(InputError, match="stack of images"):
        read_map(save(tmp_path, GOOD, "particles.mrcs"))
    with pytest.raises(InputError, match="no such file"):
        read_map(tmp_path / "nowhere.mrc")
    with pytest.raises(InputError, match=str(tmp_path)):
        read_map(tmp_path)


@pytest.mark.parametrize(
    ("value", "mode", "reason"),
    [(0.5, 1, "whole numbers"), (200, 0, "from -128 to 127"), (-1, 6, "from 0 to 65535"), (7e4, 12, "to 65504")],
)
def test_values_that_a_mode_cannot_hold_are_refused(tmp_path, value, mode, reason):
    density = planted()
    density.values[0, 0, 0] = value
    with pytest.raises(InputError, match=reason):
        write_map(tmp_path / "m.mrc", density, MapLayout(mode=mode))
    assert not list(tmp_path.iterdir())


def test_origin_that_nstart_cannot_hold_is_refused(tmp_path):
    with pytest.raises(InputError, match="whole number of voxels"):
        write_map(tmp_path / "m.mrc", planted(origin=(0.4, 0, 0)), MapLayout(placement="NSTART"))
