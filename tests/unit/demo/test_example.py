import gemmi
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from emodelx.demo.example import make_example
from emodelx.errors import InputError
from emodelx.io.maps import read_map
from emodelx.io.sequences import read_sequences
from emodelx.io.structures import read_calphas


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return make_example(tmp_path_factory.mktemp("demo") / "new")


def test_sequences_and_copies(example):
    first, second = read_sequences(example.fasta).sequences
    assert (first.residues, first.copies) == (example.chains["A"].sequence, 2)
    assert (second.residues, second.copies) == (example.chains["C"].sequence, 1)


def test_the_truth_is_what_was_made(example):
    read = read_calphas(example.truth)
    assert [chain.sequence for chain in read] == [chain.sequence for chain in example.chains.values()]
    for chain, made in zip(read, example.chains.values(), strict=True):
        np.testing.assert_allclose(chain.positions, made.xyz[np.array(made.names) == "CA"], atol=1e-3)
    entities = gemmi.read_structure(str(example.truth)).entities
    assert len(entities) == 2


def test_the_map_shows_the_truth_and_not_its_mirror_image(example):
    density = read_map(example.map).density
    atoms = np.concatenate([chain.xyz for chain in example.chains.values()])

    def seen(xyz):
        return map_coordinates(density.values, ((xyz - density.origin) / density.spacing).T, order=1).mean()

    mirrored = density.origin + (np.array(density.values.shape) - 1) - (atoms - density.origin)
    spread = density.values.std()
    assert seen(atoms) > 3 * spread
    assert seen(mirrored) < 1 * spread


def test_the_same_seed_makes_the_same_files(example, tmp_path):
    again = make_example(tmp_path)
    for one, other in ((example.map, again.map), (example.fasta, again.fasta), (example.truth, again.truth)):
        assert one.read_bytes() == other.read_bytes()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="taken: the folder cannot be made"):
        make_example(tmp_path / "taken")
