"""Imports go one way: `cli > batch, demo > pipeline > its parts > steps > files and core > records > words`."""

import ast
import sys

LEVELS = (
    ("errors", "constants", "runs"),
    ("config", "records", "progress", "machine"),
    (
        "_core",
        "io",
        "symmetry",
        "pieces",
        "support",
        "vectors",
        "point_groups",
        "operators",
        "folding",
        "images",
        "contrast",
        "domains",
        "loops",
        "poses",
        "scenes",
        "hinges",
        "bends",
        "settling",
        "type_evidence",
        "unexplained",
    ),
    ("stages", "network", "training", "scoring", "report", "tools"),
    ("inputs", "runlog", "search", "stepper"),
    ("preview", "pairs", "second_look"),
    ("pipeline",),
    ("batch", "demo"),
    ("",),  # the package itself: its public names
    ("cli", "__main__"),
)
LEVEL = {part: level for level, parts in enumerate(LEVELS) for part in parts}
SIDEWAYS = {
    ("training", "network"),
    ("report", "scoring"),
    ("config", "progress"),
    ("config", "machine"),
    ("pieces", "symmetry"),
    ("operators", "symmetry"),
    ("operators", "point_groups"),
    ("folding", "_core"),
    ("folding", "operators"),
    ("folding", "pieces"),
    ("folding", "point_groups"),
    ("folding", "vectors"),
    ("images", "vectors"),
    ("io", "symmetry"),
    ("loops", "vectors"),
    ("scenes", "_core"),
    ("scenes", "contrast"),
    ("hinges", "poses"),
    ("hinges", "scenes"),
    ("hinges", "symmetry"),
    ("hinges", "vectors"),
}
"""Imports within a level that are meant."""
TRAINING_MAY_USE = {"torch", "numpy", "safetensors", *sys.stdlib_module_names}
"""Training runs on bare GPU nodes."""


def imported_names(tree):
    """Every dotted name that a module imports, also inside its functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import of {node.module}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(name):
    """The part of the package that a dotted name belongs to; a public name of the package itself is part ''."""
    second = [*name.split("."), ""][1]
    return second if second in LEVEL else ""


def own_imports(modules):
    for module, tree in modules.items():
        for name in imported_names(tree):
            if name.split(".")[0] == "emodelx":
                yield module, name


def test_every_part_has_a_level(modules):
    parts = {name.split(".")[1] for name in modules if "." in name}
    assert parts <= set(LEVEL), "give the new part a level in LEVELS"


def test_imports_go_down_only(modules):
    edges = list(own_imports(modules))
    assert len(modules) >= 20, "the guard must see the package"
    assert len(edges) >= 20, "the guard must see its imports"
    wrong = [
        f"{module} imports {name}"
        for module, name in edges
        if (a := part_of(module)) != (b := part_of(name)) and LEVEL[a] <= LEVEL[b] and (a, b) not in SIDEWAYS
    ]
    assert not wrong, "\n".join(wrong)


def test_stages_do_not_import_stages(modules):
    stages = [name for name in modules if name.startswith("emodelx.stages.")]
    assert len(stages) >= 5, "the guard must see the stages"
    wrong = [
        f"{module} imports {name}"
        for module, name in own_imports(modules)
        if module in stages and part_of(name) == "stages"
    ]
    assert not wrong, "\n".join(wrong)


def test_training_needs_little(modules):
    """Training, and every module it reaches, stays within TRAINING_MAY_USE."""
    waiting = [name for name in modules if name.startswith("emodelx.training")]
    assert len(waiting) >= 4, "the guard must see the training"
    seen = set()
    while waiting:
        module = waiting.pop()
        seen.add(module)
        for name in imported_names(modules[module]):
            if name.split(".")[0] == "emodelx":
                target = name if name in modules else name.rpartition(".")[0]
                waiting += [target] if target not in seen else []
            else:
                assert name.split(".")[0] in TRAINING_MAY_USE, f"{module} imports {name}"
    parts = {part_of(name) for name in seen}
    assert parts <= {"training", "network", "errors", "constants", "records"}, parts
