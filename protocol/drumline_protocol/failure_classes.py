"""Which classes of exceptions may be rebuilt: a closed table, and what is in it without being given.

Known are Python's builtin exceptions, those of its standard library, drumline's, LangGraph's (`langgraph.errors`) and
pydantic's `ValidationError`, as far as this process has imported their modules by itself: a name in the bytes imports
nothing.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, cast

from drumline_graph.errors import DrumlineError
from drumline_graph.loaded import loaded
from drumline_protocol.failure_base import class_name_of

ErrorClass = type[BaseException]
Known = Mapping[str, ErrorClass] | Iterable[ErrorClass]

#: Builtins that are never rebuilt: raised inside a generator or a thread they would end it instead of telling anything.
CONTROL = (StopIteration, StopAsyncIteration)

#: modules outside of the standard library whose exceptions are known
_LIBRARIES = ("langgraph.errors", "pydantic_core._pydantic_core", "exceptiongroup")


@cache
def own_classes() -> dict[str, ErrorClass]:
    """The classes that are known without being given: Python's and drumline's."""
    from drumline_graph import errors as graph_errors
    from drumline_protocol import errors as wire_errors

    known: dict[str, ErrorClass] = {}
    for value in vars(builtins).values():
        if isinstance(value, type) and issubclass(value, Exception) and value not in CONTROL:
            known[value.__name__] = value
    for module in (graph_errors, wire_errors):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, (DrumlineError, graph_errors.GraphDrained)):
                known[class_name_of(value)] = value
    return known


def find_class(name: str, known: Known) -> ErrorClass | None:
    """The class of that name, of the table or among `known`; None if there is none, or more than one."""
    found = own_classes().get(name)
    if found is not None:
        return found
    given: dict[str, list[ErrorClass]] = {}
    if isinstance(known, Mapping):
        given = {key: [cls] for key, cls in cast("Mapping[str, ErrorClass]", known).items()}
    else:
        for cls in known:
            given.setdefault(class_name_of(cls), []).append(cls)
    named = given.get(name)
    if named is not None:
        return named[0] if len(set(named)) == 1 else None
    # One file run as a script here and imported there: `__main__.MyError` and `app.MyError` are the same class.
    alike = [cls for classes in given.values() for cls in classes if _same_but_for_main(name, cls)]
    if len(set(alike)) == 1:
        return alike[0]
    return _of_a_library(name)


def _same_but_for_main(name: str, cls: type) -> bool:
    if cls.__module__ == "__main__":
        return name.endswith(f".{cls.__qualname__}")
    return name == f"__main__.{cls.__qualname__}"


def _of_a_library(name: str) -> ErrorClass | None:
    """An exception class of the standard library, or of a library that is known, by its module and name."""
    module, _, rest = name.rpartition(".")
    while module:
        top = module.partition(".")[0]
        if (module in _LIBRARIES or top in sys.stdlib_module_names) and loaded(module) is not None:
            return _exception(loaded(module), rest, name)
        module, _, inner = module.rpartition(".")
        rest = f"{inner}.{rest}"
    return None


def _exception(module: Any, path: str, name: str) -> ErrorClass | None:
    found: Any = module
    for part in path.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    if not isinstance(found, type) or not issubclass(found, Exception) or issubclass(found, CONTROL):
        return None
    return found if class_name_of(found) == name else None
