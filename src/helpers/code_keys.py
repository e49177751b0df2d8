"""A hash of the code that a call can reach, so that an edited function is computed again.

`code_digest` starts at a function and follows every name that its code refers to, through the
imports of our three packages. Comments, docstrings and the types of arguments do not count. The
store (`helpers.store`) uses the hash as a part of its keys."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1]  # the folder that holds the packages
PACKAGES = ("helpers", "leakaudit", "musicbook")
NOT_FOLLOWED = ("helpers.store", "helpers.code_keys")  # they keep numbers and make none

Place = tuple[str, str]  # a module, and a name in it; the name is "" where the module is meant


@functools.lru_cache(maxsize=256)
def code_digest(function: Callable) -> str:
    """Hash of a function or class and of everything in our packages that it refers to.

    Imports inside functions are followed, too. The methods of an argument are not, where the code
    does not name its class. A function from elsewhere, say a script's, counts with its whole file.
    ValueError for a function that no file defines by name. Used by `store.key`."""
    module, name = _module_name(function), function.__qualname__
    if module_path(module) is None:
        return _digest_of_file(function) + name
    definition = name.split(".")[0]
    if definition not in parse_module(module).definitions:
        raise ValueError(f"{name} of {module} is no function that a module defines by name.")
    digest = _digest_of_places([(module, definition)])
    if "." in name:  # a method: its class counts whole, so that its name has to be added
        digest += name
    return digest


def source_digest(source: str) -> str:
    """Hash of a piece of source, say a notebook's, and of what it refers to in our packages.

    SyntaxError where the source does not parse. Used by `store.key`."""
    tree = ast.parse(source)
    reached = _digest_of_places(_references(tree, "", {}))
    return hashlib.sha256((ast.dump(tree) + reached).encode()).hexdigest()


def _digest_of_file(function: Callable) -> str:
    try:
        return source_digest(inspect.getsource(sys.modules[function.__module__]))
    except (KeyError, OSError, TypeError):
        name = function.__qualname__
        raise ValueError(f"{name} is defined in no file; put it into a module.") from None


def _digest_of_places(places: list[Place]) -> str:
    """Hash of the definitions at these places and of all that can be reached from them."""
    reached: dict[Place, str] = {}
    waiting = list(places)
    while waiting:
        module, name = waiting.pop()
        if (module, name) in reached or module in NOT_FOLLOWED:
            continue
        parsed = parse_module(module)
        if name in parsed.definitions:
            reached[module, name], references = _definition(parsed, module, name)
            waiting += references
        elif name in parsed.imports:  # this module only passes the name on
            waiting.append(parsed.imports[name])
    return hashlib.sha256(repr(sorted(reached.items())).encode()).hexdigest()


@functools.cache
def _definition(parsed: Module, module: str, name: str) -> tuple[str, list[Place]]:
    """The code of the statements that define a name, and the places that they refer to."""
    nodes = parsed.definitions[name]
    references: list[Place] = []
    for node in nodes:
        references += _references(node, module, parsed.imports)
    return "".join(ast.dump(node) for node in nodes), references


def _module_name(function: Callable) -> str:
    """The module of a function; its own name where it was started with `python -m`."""
    spec = getattr(sys.modules.get(function.__module__), "__spec__", None)
    if function.__module__ == "__main__" and spec is not None:
        return spec.name
    return function.__module__


# ---- one module ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Module:
    """What a module defines, {name: its statements}, and imports, {local name: place}.

    Two are equal only where they are one and the same, since `_definition` keeps what it made of
    each."""

    definitions: Mapping[str, list[ast.stmt]]
    imports: Mapping[str, Place]


def module_path(module: str) -> Path | None:
    """The file of a module of our packages; None for any other."""
    parts = module.split(".")
    if parts[0] not in PACKAGES:
        return None
    path = SOURCES.joinpath(*parts)
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


@functools.cache
def parse_module(module: str) -> Module:
    """The definitions and imports of a module of ours, without docstrings and argument types."""
    path = module_path(module)
    if path is None:
        return Module({}, {})
    return _parsed(path.read_text(encoding="utf-8"))


def _parsed(source: str) -> Module:
    """The definitions and imports of a module's source."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        _strip(node)
    definitions: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for name in _defined_names(statement):
            definitions.setdefault(name, []).append(statement)
    return Module(definitions, _imports(tree))


def _strip(node: ast.AST) -> None:
    """Take away, in place, the docstring and the types of arguments and results."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    if isinstance(node, documented) and ast.get_docstring(node) is not None:
        node.body[0] = ast.Pass()
    if isinstance(node, ast.FunctionDef):
        node.returns = None
    if isinstance(node, ast.arg):
        node.annotation = None


def _defined_names(statement: ast.stmt) -> set[str]:
    """The names that a statement of a module sets: `def NAME`, `NAME = ...`, `NAME[key] = ...`."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return {statement.name}
    names = set()
    for node in ast.walk(statement):
        if isinstance(getattr(node, "ctx", None), ast.Store):
            target = getattr(node, "value", node)  # of NAME[key] and NAME.attribute, the NAME
            if isinstance(target, ast.Name):
                names.add(target.id)
    return names


def _imports(tree: ast.AST) -> dict[str, Place]:
    """What a piece of code imports from our packages, {local name: place}."""
    places: dict[str, Place] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                local = alias.asname or alias.name
                whole = f"{node.module}.{alias.name}"
                is_module = module_path(whole) is not None
                places[local] = (whole, "") if is_module else (str(node.module), alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:  # import a.b as c: c is a.b
                    places[alias.asname] = (alias.name, "")
                else:  # import a.b: a is a
                    package = alias.name.split(".")[0]
                    places[package] = (package, "")
    return {local: place for local, place in places.items() if module_path(place[0])}


def _references(node: ast.AST, module: str, imports: Mapping[str, Place]) -> list[Place]:
    """What a piece of code of `module` refers to."""
    known = {**imports, **_imports(node)}
    places = []
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            place = known.get(part.id, (module, part.id))
            if place[1]:
                places.append(place)
        elif isinstance(part, ast.Attribute):
            through_module = _attribute(part, known)
            if through_module:
                places.append(through_module)
    return places


def _attribute(node: ast.Attribute, known: Mapping[str, Place]) -> Place | None:
    """The place of `module.name` or `package.module.name`; None where it starts at no module."""
    names = [node.attr]
    base = node.value
    while isinstance(base, ast.Attribute):
        names.insert(0, base.attr)
        base = base.value
    module, inside = known.get(base.id, ("", "")) if isinstance(base, ast.Name) else ("", "")
    if not module or inside:
        return None
    while len(names) > 1 and module_path(f"{module}.{names[0]}"):
        module = f"{module}.{names.pop(0)}"
    return module, names[0]
