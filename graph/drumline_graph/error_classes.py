"""Classes of exceptions that the code of a graph can raise or catch: those that a client rebuilds."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from drumline_graph.node_code import namespaces_of

if TYPE_CHECKING:
    from drumline_graph.program import Program


def error_classes_of(program: Program) -> list[type[BaseException]]:
    """Exception classes that the modules of a graph's functions know by name, those of its subgraphs, routers and tools
    too; as classes, and inside the modules that they import (`openai.RateLimitError`).
    """
    found: dict[type[BaseException], None] = {}
    seen: set[int] = set()
    for node in (program.start, *program.nodes.values()):
        _add_classes(getattr(node.action, "__globals__", None), found, seen)
    for function in program.functions():
        for names in namespaces_of(function):
            _add_classes(names, found, seen)
    return list(found)


def _add_classes(names: Any, found: dict[type[BaseException], None], seen: set[int]) -> None:
    if not isinstance(names, dict) or id(names) in seen:
        return
    seen.add(id(names))
    for value in list(names.values()):
        if _is_error(value, BaseException):
            found[value] = None
        elif isinstance(value, ModuleType) and id(value) not in seen:
            seen.add(id(value))
            # of modules only what `except Exception` catches: a CancelledError would end the client's own task
            found.update((item, None) for item in list(vars(value).values()) if _is_error(item, Exception))


def _is_error(value: Any, root: type[BaseException]) -> bool:
    return isinstance(value, type) and issubclass(value, root)
