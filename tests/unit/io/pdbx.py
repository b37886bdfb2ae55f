"""The part of the PDBx/mmCIF dictionary (v5) that our models use, as a DDL2 dictionary that gemmi validates against.

Types, mandatory items, keys, parents and allowed values are those of https://mmcif.wwpdb.org; `_ma_qa_metric*` is of
ModelCIF (https://mmcif.wwpdb.org/dictionaries/mmcif_ma.dic).
"""

TYPES = {
    "code": r"[][_,.;:\"&<>()/\{}'`~!@#$%A-Za-z0-9*|+-]*",
    "ucode": r"[][_,.;:\"&<>()/\{}'`~!@#$%A-Za-z0-9*|+-]*",
    "atcode": r"[][ _(),.;:\"&<>/\{}'`~!@#$%A-Za-z0-9*|+-]*",
    "int": r"[+-]?[0-9]+",
    "float": r"-?(([0-9]+)[.]?|([0-9]*[.][0-9]+))([(][0-9]+[)])?([eE][+-]?[0-9]+)?",
    "text": r"[][ \n\t()_,.;:\"&<>/\{}'`~!@#$%?+=*A-Za-z0-9|^-]*",
    "line": r"[][ \t_(),.;:\"&<>/\{}'`~!@#$%?+=*A-Za-z0-9|^-]*",
    "yn": r"(yes|no|y|n)",
}

KEYS = {
    "entry": ["id"],
    "cell": ["entry_id"],
    "symmetry": ["entry_id"],
    "entity": ["id"],
    "entity_poly": ["entity_id"],
    "entity_poly_seq": ["entity_id", "num", "mon_id"],
    "chem_comp": ["id"],
    "exptl": ["entry_id", "method"],
    "struct_asym": ["id"],
    "atom_type": ["symbol"],
    "atom_site": ["id"],
    "software": ["pdbx_ordinal"],
    "pdbx_database_remark": ["id"],
    "ma_qa_metric": ["id"],
    "ma_qa_metric_local": ["ordinal_id"],
}

ITEMS = """
entry.id!code
cell.entry_id!code cell.length_a.float cell.length_b.float cell.length_c.float
cell.angle_alpha.float cell.angle_beta.float cell.angle_gamma.float
symmetry.entry_id!code symmetry.space_group_name_H-M.line
entity.id!code entity.type.ucode
entity_poly.entity_id!code entity_poly.type.ucode entity_poly.pdbx_strand_id.text
entity_poly.pdbx_seq_one_letter_code.text
entity_poly_seq.entity_id!code entity_poly_seq.num!int entity_poly_seq.mon_id!ucode entity_poly_seq.hetero.ucode
chem_comp.id!ucode chem_comp.type!line
exptl.entry_id!code exptl.method!line
struct_asym.id!code struct_asym.entity_id!code
atom_type.symbol!code
atom_site.group_PDB.code atom_site.id!code atom_site.type_symbol!code atom_site.label_atom_id!atcode
atom_site.label_alt_id!code atom_site.label_comp_id!ucode atom_site.label_asym_id!code
atom_site.label_entity_id!code atom_site.label_seq_id!int atom_site.pdbx_PDB_ins_code.code atom_site.Cartn_x.float
atom_site.Cartn_y.float atom_site.Cartn_z.float atom_site.occupancy.float atom_site.B_iso_or_equiv.float
atom_site.pdbx_formal_charge.int atom_site.auth_seq_id.code atom_site.auth_comp_id.code
atom_site.auth_asym_id!code atom_site.auth_atom_id.atcode atom_site.pdbx_PDB_model_num.int
software.pdbx_ordinal!int software.classification.line software.name.line software.version.line
pdbx_database_remark.id!int pdbx_database_remark.text.text
ma_qa_metric.id!int ma_qa_metric.name!line ma_qa_metric.description.text ma_qa_metric.type!ucode
ma_qa_metric.mode!code
ma_qa_metric_local.ordinal_id!int ma_qa_metric_local.model_id!int ma_qa_metric_local.label_asym_id!code
ma_qa_metric_local.label_seq_id!int ma_qa_metric_local.label_comp_id!ucode ma_qa_metric_local.metric_id!int
ma_qa_metric_local.metric_value!float
"""
"""`!` before the type of a mandatory item, `.` before that of another."""

PARENTS = {
    "cell.entry_id": "entry.id",
    "symmetry.entry_id": "entry.id",
    "exptl.entry_id": "entry.id",
    "entity_poly.entity_id": "entity.id",
    "entity_poly_seq.entity_id": "entity_poly.entity_id",
    "entity_poly_seq.mon_id": "chem_comp.id",
    "struct_asym.entity_id": "entity.id",
    "atom_site.type_symbol": "atom_type.symbol",
    "atom_site.label_asym_id": "struct_asym.id",
    "atom_site.label_comp_id": "chem_comp.id",
    "atom_site.label_entity_id": "entity.id",
    "ma_qa_metric_local.metric_id": "ma_qa_metric.id",
    "ma_qa_metric_local.label_asym_id": "struct_asym.id",
}

VALUES = {
    "entity.type": ["polymer", "non-polymer", "branched", "water"],
    "entity_poly.type": ["polypeptide(L)", "polypeptide(D)", "polyribonucleotide", "other"],
    "chem_comp.type": ["L-peptide linking", "peptide linking", "non-polymer"],
    "exptl.method": ["ELECTRON MICROSCOPY", "X-RAY DIFFRACTION"],
    "atom_site.group_PDB": ["ATOM", "HETATM"],
    "entity_poly_seq.hetero": ["no", "n", "yes", "y"],
    "software.classification": ["model building", "refinement"],
    "ma_qa_metric.mode": ["global", "local", "local-pairwise"],
    "ma_qa_metric.type": ["pLDDT", "zscore", "energy", "distance", "contact probability", "normalized score", "other"],
}


def dictionary():
    """The text of the dictionary."""
    kinds = {code: "numb" if code in ("int", "float") else "char" for code in TYPES}
    types = "\n".join(f"{code} {kinds[code]}\n;{construct}\n;" for code, construct in TYPES.items())
    head = "data_pdbx_part\n_dictionary.title pdbx_part\n_dictionary.version 1\n_dictionary.datablock_id pdbx_part\n"
    listed = f"loop_\n_item_type_list.code\n_item_type_list.primitive_code\n_item_type_list.construct\n{types}\n"
    categories = "".join(map(category, KEYS))
    items = "".join(item(*word.replace("!", ".!").rsplit(".", 1)) for word in ITEMS.split())
    linked = "".join(map(link, range(len(PARENTS)), PARENTS.items()))
    tags = ("child_category_id", "link_group_id", "child_name", "parent_name", "parent_category_id")
    links = "loop_\n" + "".join(f"_pdbx_item_linked_group_list.{tag}\n" for tag in tags) + linked
    return head + listed + links + categories + items


def link(number, names):
    child, parent = names
    return f"{child.split('.')[0]} {number} '_{child}' '_{parent}' {parent.split('.')[0]}\n"


def category(name):
    keys = "\n".join(f"'_{name}.{key}'" for key in KEYS[name])
    return f"save_{name}\n_category.id {name}\n_category.mandatory_code no\nloop_\n_category_key.name\n{keys}\nsave_\n"


def item(tag, kind):
    """One definition."""
    name, mandatory = tag.rstrip("."), "yes" if kind.startswith("!") else "no"
    lines = [
        f"save__{name}",
        f"_item.name '_{name}'",
        f"_item.category_id {name.split('.')[0]}",
        f"_item.mandatory_code {mandatory}",
        f"_item_type.code {kind.lstrip('!')}",
    ]
    if name in VALUES:
        lines += ["loop_", "_item_enumeration.value", *(f"'{value}'" for value in VALUES[name])]
    return "\n".join([*lines, "save_", ""])
