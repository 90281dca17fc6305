"""House rules as tests: the layout of the rooms, and that what is public says what it does."""

from __future__ import annotations

import ast
import sys

from .rooms import ROOMS, ROOT, short, sources, tree_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_every_room_is_built_and_typed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    hatch = project["tool"]["hatch"]["build"]
    assert sorted(hatch["dev-mode-dirs"]) == sorted(ROOMS)
    assert sorted(hatch["targets"]["wheel"]["packages"]) == sorted(f"{room}/{name}" for room, name in ROOMS.items())
    for room, package in ROOMS.items():
        folders = [path.name for path in (ROOT / room).iterdir() if path.is_dir() and path.name != "__pycache__"]
        assert folders == [package], "each top-level folder holds exactly one import package"
        assert (ROOT / room / package / "py.typed").exists()


def test_every_folder_is_a_package() -> None:
    """Without `__init__.py` the walk of the import contracts passes a folder by, and nobody is told."""
    assert not {short(path.parent) for path in sources() if not (path.parent / "__init__.py").exists()}


def test_every_public_function_says_what_it_does() -> None:
    silent = []
    for path in sources():
        for node in tree_of(path).body:
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            if not node.name.startswith("_") and ast.get_docstring(node) is None and not _is_overload(node):
                silent.append(f"{short(path)}:{node.lineno} {node.name}")
    assert not silent


def _is_overload(node: ast.AST) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in getattr(node, "decorator_list", ()))


def test_importing_the_graph_api_is_light() -> None:
    """What `import drumline.graph` must not bring along: nobody without a cluster pays for a broker client."""
    import subprocess

    code = (
        "import sys, drumline.graph;"
        "print([m for m in ('redis', 'pydantic', 'langchain_core', 'langgraph', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
