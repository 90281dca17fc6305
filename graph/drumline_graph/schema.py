"""State schemas: which channels and managed values their fields declare, and how instances are read and built.

A schema is a TypedDict, dataclass, pydantic model or any class with annotations: one key for each field. Anything
without annotations (`list`, `Annotated[list, operator.add]`) is a single unkeyed value, kept under the key `__root__`.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, get_origin

from drumline_graph.annotations import hints_of, meant, unresolved_in
from drumline_graph.channels import BinaryOperatorAggregate, Channel, DeltaChannel, LastValue
from drumline_graph.channels.base import MISSING
from drumline_graph.channels.binop import typ_is_wrapper
from drumline_graph.constants import ROOT
from drumline_graph.errors import GraphDefinitionError
from drumline_graph.managed import ManagedValue

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclasses.dataclass(slots=True)
class Schema:
    """What a schema declares. `keys` lists channels, then managed values: nodes get them in this order, as in
    LangGraph.
    """

    declared: Any
    channels: dict[str, Channel]
    managed: dict[str, type[ManagedValue]]
    keys: list[str]

    @property
    def is_root(self) -> bool:
        """Whether the whole state is one bare value."""
        return self.keys == [ROOT]

    @property
    def input_keys(self) -> list[str] | str:
        """`keys` in the form that nodes use: the string `__root__` for an unkeyed state."""
        return ROOT if self.is_root else self.keys

    @property
    def mapper(self) -> Callable[[dict[str, Any]], Any] | None:
        """Builds an instance of the schema class; None when nodes take the plain dict."""
        return None if self.is_root else mapper_of(self.declared)


def name_of(schema: Any) -> str:
    """How error texts call a schema."""
    return getattr(schema, "__name__", None) or repr(schema)


def is_pydantic(cls: Any) -> bool:
    """Whether `cls` is a pydantic (v2) model class; asked without importing pydantic."""
    return isinstance(cls, type) and hasattr(cls, "__pydantic_validator__") and hasattr(cls, "model_fields")


def has_fields(annotation: Any) -> bool:
    """Whether an annotation is a class with annotated fields, and so can serve as a schema."""
    if not isinstance(annotation, type):
        return False
    try:
        return bool(typing.get_type_hints(annotation))
    except (NameError, TypeError):
        return False


def mapper_of(schema: Any) -> Callable[[dict[str, Any]], Any] | None:
    """What turns a dict of available keys into an instance; None for TypedDict and other dict states."""
    if not (is_pydantic(schema) or (isinstance(schema, type) and dataclasses.is_dataclass(schema))):
        return None

    def build(values: dict[str, Any]) -> Any:
        return schema(**values)

    return build


def read_schema(schema: Any) -> Schema:
    """Channels and managed values of a schema. Raises GraphDefinitionError for a field that cannot be one."""
    if not hasattr(schema, "__annotations__"):
        return Schema(schema, {ROOT: _channel(ROOT, schema)}, {}, [ROOT])
    channels: dict[str, Channel] = {}
    managed: dict[str, type[ManagedValue]] = {}
    for name, annotation in field_hints(schema).items():
        manager = _managed(annotation)
        if manager is not None:
            managed[name] = manager
        else:
            channels[name] = _channel(name, annotation)
    return Schema(schema, channels, managed, [*channels, *managed])


def field_hints(schema: Any) -> dict[str, Any]:
    """Resolved annotations of the fields of a schema class, extras kept, without ClassVars.

    Raises GraphDefinitionError when an annotation names something that cannot be found.
    """
    try:
        hints = typing.get_type_hints(schema, include_extras=True)
    except NameError as error:
        hints = hints_of(schema)
        _check_found(schema, hints, error)
    if is_pydantic(schema):
        # Private attributes are annotated too, but are no part of the model's data.
        return {name: hints.get(name, Any) for name in schema.model_fields}
    return {
        name: hint
        for name, hint in hints.items()
        if name != "__slots__" and hint is not ClassVar and get_origin(hint) is not ClassVar
    }


def _check_found(schema: Any, hints: dict[str, Any], error: NameError) -> None:
    """A name that is imported for type checkers only may stand for a value's class, and for nothing else."""
    written_in = {cls.__module__ for cls in getattr(schema, "__mro__", (schema,))}
    for name, hint in hints.items():
        lost = [found.__qualname__ for found in unresolved_in(hint) if found.__module__ in written_in]
        lost += [found.__qualname__ for item in _metadata_of(hint) for found in unresolved_in(item)]
        if lost:
            raise GraphDefinitionError(
                f"Schema {name_of(schema)} has an annotation that cannot be resolved: key {name!r} names {lost[0]!r} "
                f"({error}). Import the name in the module of the schema (a reducer not only under TYPE_CHECKING), or "
                "define the schema at module level."
            ) from error


def _metadata_of(annotation: Any) -> tuple[Any, ...]:
    return tuple(getattr(unwrapped(annotation), "__metadata__", ()))


def unwrapped(annotation: Any) -> Any:
    """The annotation inside Required, NotRequired and ReadOnly, and behind `type X = ...`."""
    annotation = meant(annotation)
    while typ_is_wrapper(get_origin(annotation)):
        annotation = meant(annotation.__args__[0])
    return annotation


def _managed(annotation: Any) -> type[ManagedValue] | None:
    for item in getattr(unwrapped(annotation), "__metadata__", ()):
        if isinstance(item, type) and issubclass(item, ManagedValue):
            return item
    return None


def _channel(name: str, annotation: Any) -> Channel:
    annotation = unwrapped(annotation)
    metadata = getattr(annotation, "__metadata__", ())
    for item in metadata:
        channel = _declared_channel(annotation, item)
        if channel is not None:
            return channel
    if metadata and callable(metadata[-1]):
        _check_reducer(name, metadata[-1])
        return BinaryOperatorAggregate(annotation, metadata[-1])
    return LastValue(annotation)


def _declared_channel(annotation: Any, item: Any) -> Channel | None:
    if isinstance(item, DeltaChannel):
        return item.typed(annotation.__origin__) if item.typ is None else item
    if isinstance(item, Channel):
        return item
    if isinstance(item, type) and issubclass(item, Channel):
        make: Any = item
        return make(annotation.__origin__)  # type: ignore[no-any-return]
    return None


def _check_reducer(name: str, reducer: Any) -> None:
    try:
        signature = inspect.signature(reducer)
    except ValueError as error:
        raise GraphDefinitionError(
            f"Invalid reducer signature. The reducer {reducer!r} of key {name!r} is a builtin whose parameters cannot "
            "be inspected; wrap it in a function: def merge(current, new): ..."
        ) from error
    if not takes_two(signature):
        raise GraphDefinitionError(
            f"Invalid reducer signature. The reducer of key {name!r} must take exactly two positional parameters, "
            f"(current, new), but takes {signature}."
        )


def takes_two(signature: inspect.Signature) -> bool:
    """Whether a reducer's signature takes exactly two positional parameters."""
    return sum(parameter.kind in _POSITIONAL for parameter in signature.parameters.values()) == 2


def merge_channels(known: dict[str, Channel], schema: Schema, *, where: str = "") -> None:
    """Add the channels of a schema to those of the graph.

    A key may be declared again without a reducer, or with the same one. Anything else raises GraphDefinitionError; also
    when the first declaration was the plain one, so order matters.
    """
    for name, channel in schema.channels.items():
        existing = known.get(name)
        if existing is None:
            known[name] = channel
        elif existing != channel and not isinstance(channel, LastValue):
            raise GraphDefinitionError(
                f"Channel {name!r} already exists with a different type: {existing!r}, but schema "
                f"{name_of(schema.declared)}{where} declares {channel!r}. Declare the key with the same reducer in "
                "every schema, and in the state schema first."
            )


def instance_items(value: Any, keys: Iterable[str]) -> list[tuple[str, Any]] | None:
    """The (key, value) pairs of a schema instance restricted to `keys`; None if it is no such instance.

    A dataclass gives every field. A pydantic model gives every value that is not None, and None where it was set
    explicitly or is not the field's default. Other annotated classes give what is set.
    """
    cls = type(value)
    if is_pydantic(cls):
        fields, explicit = cls.model_fields, value.model_fields_set
        return [
            (key, item)
            for key in _ordered(fields, keys)
            if (item := getattr(value, key, None)) is not None or key in explicit or fields[key].default is not None
        ]
    if dataclasses.is_dataclass(cls):
        names: Iterable[str] = [field.name for field in dataclasses.fields(cls)]
    elif not (hasattr(cls, "__annotations__") and has_fields(cls)):
        return None
    else:
        names = field_hints(cls)
    return [(key, item) for key in _ordered(names, keys) if (item := getattr(value, key, MISSING)) is not MISSING]


def _ordered(names: Iterable[str], keys: Iterable[str]) -> list[str]:
    wanted = keys if isinstance(keys, (set, frozenset, dict)) else set(keys)
    return [name for name in names if name in wanted]
