"""Which classes the schemas of a program name: the codec's closed table of what may be rebuilt from
bytes.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, get_args

from drumline_graph.schema import is_pydantic

if TYPE_CHECKING:
    from drumline_graph.program import Program


def walk_schemas(program: Program) -> list[type]:
    """Dataclass, pydantic, NamedTuple and Enum classes reached from all schemas, in order of
    discovery.

    Walked: state, input, output, context and node input schemas, of subgraphs too; then through
    generics, unions, `Annotated`, base models and fields. Each class once.
    """
    found: dict[type, None] = {}
    seen: set[int] = set()
    keep: list[Any] = []  # ids are only unique among objects that live
    todo: list[Any] = list(_roots(program))
    while todo:
        annotation = todo.pop(0)
        if id(annotation) in seen:
            continue
        seen.add(id(annotation))
        keep.append(annotation)
        if _is_data_class(annotation):
            found[annotation] = None
        todo.extend(_parts(annotation))
    return list(found)


def _roots(program: Program) -> Iterable[Any]:
    yield from (program.state_schema, program.input_schema, program.output_schema)
    yield program.context_schema
    yield from program.types
    if program.builder is None:
        return
    for spec in program.builder.nodes.values():
        yield spec.input_schema
    for branches in program.builder.branches.values():
        for branch in branches.values():
            yield branch.input_schema
    for node in program.nodes.values():
        if node.subprogram is not None:
            yield from _roots(node.subprogram)


def _is_data_class(annotation: Any) -> bool:
    if not isinstance(annotation, type):
        return False
    return (
        dataclasses.is_dataclass(annotation)
        or is_pydantic(annotation)
        or (issubclass(annotation, Enum) and annotation is not Enum)
        or (issubclass(annotation, tuple) and hasattr(annotation, "_fields"))
    )


def _parts(annotation: Any) -> Iterable[Any]:
    """Annotations within an annotation: type arguments (not Annotated's metadata), and fields."""
    if annotation is None or isinstance(annotation, (str, bytes, int)):
        return
    if hasattr(annotation, "__metadata__"):
        yield annotation.__origin__
        return
    for argument in get_args(annotation):
        yield from argument if isinstance(argument, list) else (argument,)
    bound = getattr(annotation, "__bound__", None)  # a TypeVar stands for its bound
    if bound is not None:
        yield bound
    origin = typing.get_origin(annotation)
    if origin is not None:
        yield origin
    if not isinstance(annotation, type) or annotation.__module__ in ("builtins", "typing"):
        return
    if is_pydantic(annotation):
        for info in annotation.model_fields.values():  # type: ignore[attr-defined]
            yield info.annotation
        return
    try:
        yield from typing.get_type_hints(annotation).values()
    except (NameError, TypeError):
        return
