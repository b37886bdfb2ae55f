"""Write `cctbx.json`: what cctbx and tmtools say of deposited models in their maps.

Usage: PYTHONPATH=python python tests/shared/golden/make_cctbx.py MAPS_FOLDER, in an environment with cctbx-base
2025.11, tmtools 0.3.0, gemmi and mrcfile. Models are taken without hydrogens, water and alternatives.
"""

import json
import sys
from pathlib import Path

# cctbx crashes when it is loaded after gemmi.
# isort: off
import iotbx.pdb
from cctbx import crystal
from mmtbx.maps import correlation
from mmtbx.validation import cbetadev, omegalyze, ramalyze
from scitbx.array_family import flex

# isort: on
import gemmi
import numpy as np
from tmtools import tm_align

from emodelx.io.maps import read_map
from emodelx.io.structures import read_calphas

CASES = {"5185_3j06": 3.3, "20026_3ajo": 1.75, "3488_5ni1": 3.2}
NOISE = 1.5


def main(folder):
    """Write the file."""
    found = {name: values(folder, name, resolution) for name, resolution in CASES.items()}
    Path(__file__).with_name("cctbx.json").write_text(json.dumps(found) + "\n")


def values(folder, name, resolution):
    """All values of one model."""
    density = read_map(folder / f"emd_{name.split('_')[0]}.map.gz").density
    path = folder / f"emd_{name}.cif"
    return geometry(path) | map_fit(path, density, resolution) | {"resolution": resolution, "tm": tm_score(path)}


def geometry(path):
    """Counts and per-residue values of ramalyze, omegalyze and cbetadev."""
    hierarchy = iotbx.pdb.input(str(path)).construct_hierarchy()
    hierarchy.atoms().reset_i_seq()
    rama = ramalyze.ramalyze(pdb_hierarchy=hierarchy)
    omega = omegalyze.omegalyze(pdb_hierarchy=hierarchy, nontrans_only=True)
    cbeta = cbetadev.cbetadev(pdb_hierarchy=hierarchy)
    return {
        "favoured": rama.fav_percent / 100,
        "outliers": rama.out_percent / 100,
        "angles": [[key(x), round(x.phi, 3), round(x.psi, 3)] for x in rama.results],
        "not_trans": len(omega.results),
        "cbeta": [[key(x), round(x.deviation, 4)] for x in cbeta.results],
    }


def key(result):
    return f"{result.chain_id.strip()}/{result.resseq.strip()}{result.icode.strip()}"


def map_fit(path, density, resolution):
    """Correlations of five_cc, and around every residue within max(3, resolution) Angstrom."""
    hierarchy = iotbx.pdb.input(source_info=None, lines=shifted(path, density.origin)).construct_hierarchy()
    hierarchy.atoms().reset_i_seq()
    cell = (*(density.spacing * density.values.shape), 90, 90, 90)
    scatterers = hierarchy.extract_xray_structure(crystal_symmetry=crystal.symmetry(cell, "P1"))
    scatterers.scattering_type_registry(table="electron")
    values = flex.double(np.ascontiguousarray(density.values.astype(float)))
    five = correlation.five_cc(map=values, xray_structure=scatterers, d_min=resolution, compute_cc_box=True, box=False)
    local = correlation.from_map_and_xray_structure_or_fmodel(
        xray_structure=scatterers, map_data=values, d_min=resolution
    )
    near = max(3.0, resolution)
    residues = [local.cc(selection=g.atoms().extract_i_seq(), atom_radius=near) for g in hierarchy.residue_groups()]
    fit = five.result
    names = {"cc_mask": fit.cc_mask, "cc_box": fit.cc_box, "cc_volume": fit.cc_volume, "cc_peaks": fit.cc_peaks}
    return {name: round(value, 5) for name, value in names.items()} | {"cc": [round(cc, 4) for cc in residues]}


def shifted(path, origin):
    """Lines of a PDB file of the model in the frame of the box."""
    structure = gemmi.read_structure(str(path))
    structure.remove_hydrogens()
    structure.remove_waters()
    structure.remove_alternative_conformations()
    for site in structure[0].all():
        site.atom.pos = gemmi.Position(*(np.array(site.atom.pos.tolist()) - origin))
    return structure.make_pdb_string().splitlines()


def tm_score(path):
    """TM-score of the first chain against itself with noise; `test_scores_shared.py` makes the same noise."""
    chain = read_calphas(path)[0]
    noisy = chain.positions + np.random.default_rng(0).normal(0, NOISE, chain.positions.shape)
    return round(tm_align(noisy, chain.positions, chain.residues, chain.residues).tm_norm_chain2, 5)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
