"""The border to Rust: the stub, the callers and the core agree, and the core never panics on purpose."""

import ast
import re

from emodelx import _core

PANICS = re.compile(r"\.unwrap\(\)|\.expect\(|\b(?:panic|unreachable|todo|unimplemented|assert|assert_eq|assert_ne)!")
CHECKED_BY_THE_COMPILER = "const _: () = assert!("


def public_functions():
    names = {name for name in dir(_core) if not name.startswith("_")}
    assert len(names) >= 5, "the guard must see the extension"
    return names


def test_stub_names_what_exists(root):
    stub = ast.parse((root / "python/emodelx/_core.pyi").read_text())
    named = {n.name for n in stub.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")}
    assert named == public_functions()


def test_every_function_has_a_caller(modules):
    imported = {
        alias.name
        for tree in modules.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "emodelx._core"
        for alias in node.names
    }
    attributes = {
        node.attr
        for tree in modules.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "_core"
    }
    assert public_functions() <= imported | attributes


def test_rust_does_not_panic_on_purpose(root):
    sources = sorted((root / "rust").glob("*/src/**/*.rs"))
    assert len(sources) >= 8, "the guard must see the crates"
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for path in sources
        for line in path.read_text().split("#[cfg(test)]")[0].splitlines()
        if PANICS.search(line.split("//")[0]) and not line.startswith(CHECKED_BY_THE_COMPILER)
    ]
    assert not found, "\n".join(found)
