"""What of a file moves in a refinement, and that the rest of it stays."""

from dataclasses import replace

import gemmi
import numpy as np
import pytest

from emodelx.errors import InputError
from emodelx.io.refinement import read_refinable, write_refined

LINE = "{0:6s}{1:5d} {2:<4s}{3:1s}{4:3s} {5:1s}{6:4d}    {7:8.3f}{8:8.3f}{9:8.3f}{10:6.2f} 30.00          {11:>2s}\n"
ALANINE = {"N": (0, 0, 0), "CA": (1.46, 0, 0), "C": (2, 1.42, 0), "O": (1.3, 2.4, 0), "CB": (2, -0.8, 1.2)}


def residue(number, name="ALA", kind="ATOM", extra=(), chain="A"):
    """Lines of a residue with the atoms of alanine and more."""
    atoms = [(f" {atom:<3s}", " ", xyz, 1.0, atom[0]) for atom, xyz in ALANINE.items()] + list(extra)
    return "".join(
        LINE.format(
            kind, number * 20 + i, atom, alternative, name, chain, number,
            xyz[0] + 3.8 * number, xyz[1], xyz[2], occupancy, element,
        )
        for i, (atom, alternative, xyz, occupancy, element) in enumerate(atoms)
    )  # fmt: skip


@pytest.fixture
def source(tmp_path):
    """Alanine, serine with two hydroxyls and a hydrogen, selenomethionine, alanine with its end; zinc, water."""
    serine = [
        (" OG ", "A", (3.2, -0.5, 1.8), 0.4, "O"), (" OG ", "B", (1.2, -0.7, 2.4), 0.6, "O"),
        (" HG ", " ", (3.6, -1.2, 2.3), 1.0, "H"),
    ]  # fmt: skip
    selenium = [(" CG ", " ", (1.5, -2.2, 1.3), 1.0, "C"), ("SE  ", " ", (2.3, -3.2, 2.8), 1.0, "SE")]
    end = [(" OXT", " ", (3.2, 1.6, 0), 1.0, "O")]
    zinc = LINE.format("HETATM", 900, "ZN  ", " ", "ZN ", "A", 101, 9.0, 9.0, 9.0, 1.0, "ZN")
    water = LINE.format("HETATM", 901, " O  ", " ", "HOH", "A", 102, 1.0, 9.0, 9.0, 1.0, "O")
    lines = residue(1) + residue(2, "SER", extra=serine) + residue(3, "MSE", "HETATM", selenium)
    path = tmp_path / "model.pdb"
    path.write_text(lines + residue(4, extra=end) + zinc + water + "END\n")
    return path


def sites(path):
    """Position, occupancy and alternative by residue number and atom name."""
    return {
        (s.residue.seqid.num, s.atom.name): (np.array(s.atom.pos.tolist()), s.atom.occ, s.atom.altloc)
        for s in gemmi.read_structure(str(path))[0].all()
    }


def shifted(model, by):
    return replace(model, chains=tuple(replace(chain, atoms=chain.atoms + by) for chain in model.chains))


def test_what_moves(source):
    file = read_refinable(source)
    (chain,) = file.model.chains
    assert len(chain) == 4
    assert np.isfinite(chain.atoms[:, :, 0]).sum(axis=1).tolist() == [5, 6, 5, 5]
    assert chain.types[2] == 0  # selenomethionine moves as an alanine
    np.testing.assert_allclose(file.others, [[9, 9, 9]])  # water is no obstacle
    assert (file.hydrogens, file.alternatives) == (1, 1)


@pytest.mark.parametrize("name", ["out.cif", "out.pdb"])
def test_the_rest_stays_or_rides_along(source, tmp_path, name):
    shift = np.array([0.5, -1.0, 2.0])
    write_refined(tmp_path / name, source, shifted(read_refinable(source).model, shift))
    before, after = sites(source), sites(tmp_path / name)
    assert set(before) - set(after) == {(2, "HG")}
    assert set(after) <= set(before)
    for key, (position, occupancy, alternative) in after.items():
        moved = key[0] < 100
        np.testing.assert_allclose(position, before[key][0] + moved * shift, atol=2e-3, err_msg=str(key))
        assert (occupancy, alternative) == (1.0, "\0")
    assert after[3, "SE"][0][2] == pytest.approx(4.8, abs=2e-3)


def test_riders_turn_with_their_residue(source, tmp_path):
    file = read_refinable(source)
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    turned = replace(file.model, chains=tuple(replace(c, atoms=c.atoms @ turn.T) for c in file.model.chains))
    write_refined(tmp_path / "out.cif", source, turned)
    before, after = sites(source), sites(tmp_path / "out.cif")
    for key in ((3, "SE"), (3, "CG"), (4, "OXT")):
        np.testing.assert_allclose(after[key][0], turn @ before[key][0], atol=3e-3)


def test_nothing_half_written(source, tmp_path):
    model = read_refinable(source).model
    with pytest.raises(InputError, match="no such file"):
        write_refined(tmp_path / "out.cif", tmp_path / "gone.pdb", model)
    assert not (tmp_path / "out.cif").exists()


def test_no_protein(tmp_path):
    path = tmp_path / "ion.pdb"
    path.write_text(LINE.format("HETATM", 1, "ZN  ", " ", "ZN ", "A", 1, 9.0, 9.0, 9.0, 1.0, "ZN") + "END\n")
    with pytest.raises(InputError, match="holds no protein"):
        read_refinable(path)
