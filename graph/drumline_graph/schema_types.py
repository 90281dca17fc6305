"""Which classes a program names: the codec's closed table of what may be rebuilt from bytes.

Walked are the state, input, output and context schemas, those of nodes and routers, all annotations of their functions
and tools, and the forms of the answers that these ask for, in subgraphs too: through generics, unions, `Annotated`,
aliases (`type X = ...`), NewTypes, base models and fields. A name that cannot be found costs only itself
(`annotations`), and is looked for again when a value comes (`ClassFinder`).
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from collections import UserDict, UserList, UserString, deque
from collections.abc import Iterable
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any, Protocol, get_args

from drumline_graph.annotations import hints_of, inner_of, is_unresolved
from drumline_graph.channels.base import Channel
from drumline_graph.node_code import forms_in
from drumline_graph.schema import is_pydantic

_PLAIN = (str, bytes, int, float, complex, type(None), type(Ellipsis))


class NamesClasses(Protocol):
    """What is asked of a `Program`: annotations and functions of the whole graph, its subgraphs included."""

    def annotations(self) -> Iterable[Any]:
        """What schemas and channels are annotated with."""
        ...

    def functions(self) -> Iterable[Any]:
        """The functions behind nodes and routers."""
        ...

    def tool_schemas(self) -> Iterable[Any]:
        """Schemas of tools."""
        ...


@dataclasses.dataclass(slots=True)
class Named:
    """What was found: classes, in order of discovery, each once; and `Unresolved` classes for names that were not."""

    classes: list[type] = dataclasses.field(default_factory=list)
    sought: list[Any] = dataclasses.field(default_factory=list)


def walk_schemas(program: NamesClasses) -> list[type]:
    """Dataclass, attrs, pydantic, NamedTuple and Enum classes that the program names, in order of discovery."""
    return named_by(program).classes


def named_by(program: NamesClasses) -> Named:
    """The classes that a program names, and the names that it has no class for."""
    classes: dict[type, None] = {}
    sought: dict[Any, None] = {}
    seen: set[int] = set()
    keep: list[Any] = []  # ids are only unique among objects that live
    todo = deque((annotation, False) for annotation in program.annotations())
    todo.extend((annotation, True) for annotation in _of_code(program))
    while todo:
        annotation, of_code = todo.popleft()
        if id(annotation) in seen or isinstance(annotation, _PLAIN) or (of_code and _is_a_tool_of_code(annotation)):
            continue
        seen.add(id(annotation))
        keep.append(annotation)
        if is_unresolved(annotation):
            sought[annotation] = None
            continue
        if is_data_class(annotation):
            classes[annotation] = None
        todo.extend((part, of_code) for part in _parts(annotation))
    return Named(list(classes), list(sought))


def _of_code(program: NamesClasses) -> Iterable[Any]:
    """Annotations of the functions and tools of nodes and routers: a Send's argument, what a node returns; and in which
    form they ask for answers.
    """
    for function in program.functions():
        yield from hints_of(inspect.unwrap(function)).values()
        yield from filter(is_data_class, forms_in(function))
    yield from program.tool_schemas()


#: types of Python's whose subclasses are data too
_PYTHONS_DATA = (
    *(dict, list, tuple, set, frozenset, str, int, float, complex, bytes, bytearray, deque),
    *(date, time, timedelta, Decimal, UserDict, UserList, UserString, SimpleNamespace, BaseException),
)


def is_data_class(annotation: Any) -> bool:
    """Whether it is a class whose objects are their fields, or an Enum with members."""
    if not isinstance(annotation, type) or typing.get_origin(annotation) is not None:
        return False
    if issubclass(annotation, Enum):
        return bool(annotation.__members__)
    return (
        dataclasses.is_dataclass(annotation)
        or is_pydantic(annotation)
        or "__attrs_attrs__" in annotation.__dict__
        or (issubclass(annotation, tuple) and hasattr(annotation, "_fields"))
        or _extends_python(annotation)
    )


def _extends_python(annotation: type) -> bool:
    """Whether it is somebody's subclass of a type that Python has for data, or an exception; no TypedDict."""
    if annotation.__module__.partition(".")[0] in sys.stdlib_module_names or hasattr(annotation, "__total__"):
        return False
    return issubclass(annotation, _PYTHONS_DATA)


def _is_a_tool_of_code(annotation: Any) -> bool:
    """Whether a class that a function names is no data: what engines inject (a config, a runtime, a store), models and
    other Runnables; and plain classes, which no schema names.
    """
    if not isinstance(annotation, type) or typing.get_origin(annotation) is not None:  # Python 3.10: `list[int]`
        return False
    if annotation.__module__.startswith(("langchain", "langgraph", "drumline", "langsmith")):
        return True
    if hasattr(annotation, "invoke") and hasattr(annotation, "ainvoke"):
        return True
    return not (is_data_class(annotation) or hasattr(annotation, "__total__"))


def _parts(annotation: Any) -> Iterable[Any]:
    """Annotations within an annotation, a class's fields among them."""
    metadata = getattr(annotation, "__metadata__", None)
    if isinstance(metadata, tuple):
        yield annotation.__origin__
        for item in metadata:
            yield from _of_metadata(item)
        return
    if isinstance(annotation, Enum):  # in a Literal
        yield type(annotation)
        return
    if isinstance(annotation, Channel):
        yield getattr(annotation, "typ", None)
        return
    yield from inner_of(annotation)
    if isinstance(annotation, type) and annotation.__module__ not in ("builtins", "typing"):
        yield from _fields(annotation)


def _of_metadata(item: Any) -> Iterable[Any]:
    """What stands behind the type in `Annotated`: channels, and reducers, whose annotations name classes too."""
    if isinstance(item, Channel):
        yield item
    elif inspect.isfunction(item):
        yield from hints_of(item).values()


def _fields(cls: Any) -> Iterable[Any]:
    """Annotations of the fields of a class."""
    hints: dict[str, Any] | None = None
    if is_pydantic(cls):
        generic = getattr(cls, "__pydantic_generic_metadata__", None) or {}
        yield generic.get("origin")
        for name, info in cls.model_fields.items():
            if _is_forward(info.annotation):
                hints = hints_of(cls) if hints is None else hints
                yield hints.get(name)
            else:
                yield info.annotation
        return
    yield from hints_of(cls).values()


def _is_forward(annotation: Any) -> bool:
    """Whether a name in a pydantic field's annotation was not found when the model was made."""
    if isinstance(annotation, (str, typing.ForwardRef)):
        return True
    return any(_is_forward(part) for part in get_args(annotation) if not isinstance(part, (bytes, int)))
