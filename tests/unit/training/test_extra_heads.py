"""Further labels and losses of benches/extra_heads.py, on planted atoms."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emodelx.network.unet import Logits, NetworkConfig
from emodelx.training.data import SimulatedWindows, WindowConfig
from emodelx.training.labels import IGNORED, NONE, OTHER_ATOM, TARGET, make_labels
from emodelx.training.structures import NUCLEIC, PROTEIN
from emodelx.training.train import Trainer, TrainingConfig

ROOT = Path(__file__).resolve().parents[3]
CPU = torch.device("cpu")
SIZE = 24


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benches"))
    return importlib.import_module("extra_heads")


@pytest.fixture
def planted(pack, bench):
    """Cut of the middle of a helix along z, everything seen, and its atoms."""
    structure = pack[1]
    atoms = structure.select(structure.chain == 0)
    atoms = replace(atoms, xyz=(atoms.xyz - atoms.xyz.mean(0) + np.float32(SIZE / 2)))
    return bench.Cut(atoms, make_labels(atoms, SIZE, CPU), torch.ones((SIZE,) * 3, dtype=torch.bool))


def calphas_of(cut):
    return cut.atoms.select(cut.atoms.calpha)


def test_n_c_and_o_are_told_apart(bench, planted):
    classes = bench.element_labels(planted)[0]
    for place, number in ((0, 2), (1, OTHER_ATOM), (2, 3), (3, 4)):  # N, CA, C, O are stored in this order
        main_chain = planted.atoms.xyz[planted.atoms.main_chain][place::4]
        x, y, z = np.round(main_chain[((main_chain > 0) & (main_chain < SIZE - 1)).all(1)]).astype(int).T
        assert (classes[x, y, z] == number).float().mean() > 0.85, "a voxel may hold two atoms"
    other = planted.labels.backbone != TARGET
    assert torch.equal(classes[other], planted.labels.backbone[other].float())


def test_nucleic_acid_is_told_from_protein_where_it_is_seen(bench, planted):
    kind = planted.atoms.kind.copy()
    kind[planted.atoms.residue > planted.atoms.residue.mean()] = NUCLEIC
    atoms = replace(planted.atoms, kind=kind, main_chain=planted.atoms.main_chain & (kind == PROTEIN))
    seen = planted.seen.clone()
    seen[: SIZE // 2] = False
    classes = bench.kind_labels(bench.Cut(atoms, make_labels(atoms, SIZE, CPU), seen))[0]
    nucleic = bench.Cut(atoms, planted.labels, seen).inside(kind == NUCLEIC)
    marked = torch.zeros_like(seen)
    marked[nucleic] = True
    assert (classes == 2).any()
    assert torch.equal(classes == 2, marked & seen & (classes != 1))
    assert (classes[marked & ~seen] != 2).all()
    assert set(classes.unique().tolist()) == {float(IGNORED), NONE, 1.0, 2.0}


def test_directions_follow_the_chain_and_need_both_neighbours(bench, planted):
    calphas = calphas_of(planted)
    along = bench.directions(calphas)
    assert np.isnan(along[[0, -1]]).all()
    assert (along[1:-1, 2] > 0.4).all(), "the helix rises along z"
    np.testing.assert_allclose(np.linalg.norm(along[1:-1], axis=1), 1, atol=1e-5)
    gap = np.arange(len(calphas)) != 10
    assert np.flatnonzero(np.isnan(bench.directions(calphas.select(gap))[:, 0])).tolist() == [0, 9, 10, len(along) - 2]


def test_calpha_voxels_get_the_row_of_their_own_calpha(bench, planted):
    said = bench.direction_labels(planted)
    calphas = calphas_of(planted)
    voxels = (planted.labels.calpha == TARGET).nonzero()
    for voxel in voxels[::20]:
        nearest = np.linalg.norm(calphas.xyz - voxel.numpy(), axis=1).argmin()
        np.testing.assert_array_equal(said[(slice(None), *voxel)].numpy(), bench.directions(calphas)[nearest])
    assert said[:, planted.labels.calpha != TARGET].isnan().all()


def test_offsets_lead_to_calphas(bench, planted):
    said = bench.offset_labels(planted)
    voxels = (planted.labels.calpha == TARGET).nonzero()
    reached = voxels + said[(slice(None), *voxels.unbind(1))].T
    apart = (reached[:, None] - torch.from_numpy(calphas_of(planted).xyz)).norm(dim=2)
    assert apart.min(1).values.max() < 1e-4


def test_helix_strand_and_loop_are_told_apart(bench, planted):
    helix = calphas_of(planted).select(np.arange(12))
    assert (bench.shapes(helix) == bench.HELIX).all()
    zigzag = np.stack([3.35 * np.arange(12), 0.9 * (-1.0) ** np.arange(12), np.zeros(12)], axis=1)
    strand = replace(helix, xyz=zigzag.astype(np.float32))
    assert (bench.shapes(strand) == bench.STRAND).all()
    broken = replace(strand, chain=np.repeat(np.int32([0, 1, 2, 3]), 3))
    assert (bench.shapes(broken) == bench.LOOP).all()
    for few in range(8):
        expected = bench.LOOP if few < bench.STRETCH else bench.HELIX
        assert (bench.shapes(helix.select(np.arange(few))) == expected).all()


def test_soft_labels_fall_off_with_the_distance(bench, planted):
    share = bench.soft_labels(planted)[0]
    x, y, z = voxel = (planted.labels.calpha == TARGET).nonzero()[3]
    distance = np.linalg.norm(calphas_of(planted).xyz - voxel.numpy(), axis=1).min()
    assert share[x, y, z].item() == pytest.approx(np.exp(-(distance**2) / (2 * 0.7**2)), rel=1e-3)
    classes = bench.soft_classes(planted.labels.calpha[None], share[None])[0]
    assert torch.equal(classes.sum(0) > 0, (planted.labels.calpha != IGNORED) | (share > 0))
    assert classes[2, x, y, z] == share[x, y, z]


def test_hard_shares_give_the_usual_cross_entropy(bench, planted):
    target, weights = planted.labels.calpha[None], (0.1, 0.3, 1.0)
    logits = torch.randn((1, 3, *target.shape[1:]), generator=torch.Generator().manual_seed(1))
    shares = bench.soft_classes(target, torch.zeros(target.shape))
    expected = torch.nn.functional.cross_entropy(logits, target, torch.tensor(weights), ignore_index=IGNORED)
    torch.testing.assert_close(bench.soft_entropy(logits, shares, weights), expected)


def test_focal_loss_of_one_voxel(bench):
    logits = torch.tensor([0.2, 0.3, 0.5]).log().view(1, 3, 1, 1, 1)
    found = bench.focal(logits, torch.full((1, 1, 1, 1), TARGET))
    assert found.item() == pytest.approx(0.25 * np.log(2))
    assert bench.focal(logits, torch.full((1, 1, 1, 1), IGNORED)) == 0


def test_further_labels_leave_the_windows_as_they_are(bench, pack):
    config = WindowConfig(size=16, seed=3, noise_share=0.5)
    plain = SimulatedWindows(pack, config, 8, CPU)
    further = bench.FurtherWindows(pack, config, 8, bench.offset_labels)
    labelled = 0
    for index in range(8):
        for own, other in zip(plain[index], further[index], strict=True):
            assert torch.equal(own, other[: len(own)])
        labelled += int(further[index][0][1].isfinite().any())
    assert 0 < labelled < 8, "windows of noise have nothing to label"


@pytest.fixture
def config(data_folder, tmp_path):
    return TrainingConfig(
        data_folder, tmp_path, steps=2, batch=2, warmup_steps=1, validation_windows=2, windows=WindowConfig(size=16),
        network=NetworkConfig(widths=(4, 6), encoder_blocks=(1, 1), decoder_blocks=(1,)),
    )  # fmt: skip


def test_a_head_learns_and_is_no_part_of_the_network(bench, config):
    plain = Trainer(config, CPU)
    for head in bench.HEADS.values():
        trainer = bench.HeadTrainer(config, CPU, None, head)
        before = trainer.head.weight.detach().clone()
        assert torch.equal(trainer.network.unet.stem.weight, plain.network.unet.stem.weight)
        trainer.run(lambda _: None)
        assert not torch.equal(trainer.head.weight, before)
        assert trainer.averaged.values.keys() == plain.averaged.values.keys()


def test_other_losses_take_a_step(bench, config):
    for trainer in (bench.FocalTrainer(config, CPU, None), bench.SoftTrainer(config, CPU, None)):
        before = trainer.network.unet.stem.weight.detach().clone()
        trainer.run(lambda _: None)
        assert not torch.equal(trainer.network.unet.stem.weight, before)


def test_candidates_moved_onto_their_calphas_have_no_error(bench, config, pack):
    windows = bench.FurtherWindows(pack, WindowConfig(size=16), 6, bench.offset_labels)
    trainer = bench.HeadTrainer(config, CPU, None, bench.HEADS[bench.OFFSET])
    trainer.network.forward = read = Oracle(windows)
    trainer.say = lambda: read.offset
    errors = bench.candidate_errors(trainer, windows, 0.5)
    assert errors["offset"] < 0.1 < errors["voxel"]


class Oracle:
    """Says of a window, in the place of a network, what its labels say."""

    def __init__(self, windows):
        self.windows = [windows[index] for index in range(len(windows))]

    def __call__(self, density):
        further, _, calpha, _ = next(w for w in self.windows if torch.equal(w[0][:1], density[0]))
        self.offset = further[None, 1:].nan_to_num()
        distance = self.offset.norm(dim=1) + 9 * (calpha != TARGET)  # the voxel nearest to its Calpha is a peak
        logits = torch.stack([0 * distance, 0 * distance, 5 - 3 * distance], dim=1)
        return Logits(logits, logits, torch.zeros((1, 20, *calpha.shape)))
