"""Functions stay small, take few arguments and say what they do."""

import ast

LONGEST = 60
MOST_PARAMETERS = 7


def functions(modules):
    """Every function of the package with its module."""
    found = [
        (module, node)
        for module, tree in modules.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert len(found) >= 60, "the guard must see the package"
    return found


def body_lines(function):
    """Lines from the signature to the end, without the docstring."""
    first = function.body[0]
    docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(function) else 0
    return function.end_lineno - function.lineno + 1 - docstring


def parameters(function):
    named = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [argument.arg for argument in named if argument.arg not in ("self", "cls")]


def test_functions_are_short(modules):
    long = [f"{m}.{f.name}: {body_lines(f)} lines" for m, f in functions(modules) if body_lines(f) > LONGEST]
    assert not long, "\n".join(long)


def test_functions_take_few_parameters(modules):
    """A command's options are its parameters, so the command line is left out."""
    many = [
        f"{m}.{f.name}: {len(parameters(f))} parameters"
        for m, f in functions(modules)
        if len(parameters(f)) > MOST_PARAMETERS and not m.startswith("emodelx.cli")
    ]
    assert not many, "\n".join(many)


def test_public_functions_have_docstrings(modules):
    public = [(m, node) for m, tree in modules.items() for node in tree.body if isinstance(node, ast.FunctionDef)]
    public = [(m, node) for m, node in public if not node.name.startswith("_")]
    assert len(public) >= 40, "the guard must see the package"
    bare = [f"{m}.{node.name}" for m, node in public if ast.get_docstring(node) is None]
    assert not bare, "\n".join(bare)


def test_modules_have_docstrings(modules):
    bare = [name for name, tree in modules.items() if ast.get_docstring(tree) is None]
    assert modules, "the guard must see the package"
    assert not bare, "\n".join(bare)
