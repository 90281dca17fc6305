"""What a module imports only for type checkers: names that its annotations use and that it does not have at run time.

Read from the module's own source, once. Nothing is imported here: a name is found if somebody else has imported the
module that it comes from.
"""

from __future__ import annotations

import ast
import functools
import inspect
from typing import Any

from drumline_graph.loaded import present


@functools.lru_cache(maxsize=32)
def _source_of(module: str) -> ast.Module | None:
    """The source of a loaded module, parsed; None if it cannot be read."""
    loaded = present(module)
    if loaded is None:
        return None
    try:
        return ast.parse(inspect.getsource(loaded))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None


@functools.lru_cache(maxsize=1024)
def typing_imports(module: str) -> dict[str, tuple[str, str]]:
    """Local name -> (module, name in it, or "" for the module itself) of all imports in the source of `module`.

    Empty if the module is not loaded or its source cannot be read.
    """
    tree = _source_of(module)
    package = getattr(present(module), "__package__", None) or module.rpartition(".")[0]
    found: dict[str, tuple[str, str]] = {}
    for node in () if tree is None else ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            source = _absolute(node, package)
            if source:
                for alias in node.names:
                    found.setdefault(alias.asname or alias.name, (source, alias.name))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                # `import a.b` binds `a`; `import a.b as c` binds the inner module
                local = alias.asname or alias.name.partition(".")[0]
                found.setdefault(local, (alias.name if alias.asname else local, ""))
    return found


def typing_aliases(module: str) -> dict[str, str]:
    """Name -> text of what stands behind each `type X = ...` in the source of `module`."""
    tree, kind = _source_of(module), getattr(ast, "TypeAlias", None)
    if tree is None or kind is None:
        return {}
    found: list[Any] = [node for node in ast.walk(tree) if isinstance(node, kind)]
    return {node.name.id: ast.unparse(node.value) for node in found}


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def look_up(module: str, name: str) -> Any:
    """`name` (dotted, or "" for the module itself) in a module that is loaded; None if it is not there."""
    found: Any = present(module)
    for part in name.split(".") if name else ():
        if found is None:
            return None
        try:
            found = vars(found).get(part) or present(f"{module}.{part}")
        except TypeError:  # it has no names
            return None
    return found
