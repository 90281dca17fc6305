"""What in a graph is legal, and yet hardly what its author meant: found when it is compiled, called, or has ended."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from drumline_graph.channels import LastValue
from drumline_graph.channels.barrier import Barrier
from drumline_graph.channels.base import MISSING
from drumline_graph.defaults import default_of, unseen_defaults
from drumline_graph.program import Program
from drumline_graph.schema import Schema, field_hints, name_of, takes_two, unwrapped
from drumline_graph.specs import GraphSpecs
from drumline_graph.superstep import State
from drumline_graph.warnings import DefaultWarning, ReducerWarning, tell

_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial)


def tell_of_mistakes(specs: GraphSpecs, name: str) -> None:
    """Warn of reducers that are none, and of defaults in a TypedDict, which no instance ever has."""
    for info in specs.schema_infos():
        if info.is_root:
            continue
        schema = info.declared
        for key, reducer in _idle_reducers(info):
            tell(
                f"graph {name!r}: key {key!r} of {name_of(schema)} is annotated with the function "
                f"{_called(reducer)}, but not as the last item of Annotated, so it is no reducer and writes replace "
                f"the value. Write Annotated[T, ..., {_called(reducer)}].",
                ReducerWarning,
            )
        if not _is_typed_dict(schema):
            continue
        for key in info.channels:
            if default_of(schema, key) is not MISSING:
                tell(
                    f"graph {name!r}: key {key!r} of {name_of(schema)} has a default value, which a TypedDict cannot "
                    "have: no node sees it. Write it in the input, or in the first node.",
                    DefaultWarning,
                )


def defaults_of(specs: GraphSpecs) -> dict[str, str]:
    """Keys whose default in the state or input schema counts for nothing where the input is a dict, with reasons."""
    found: dict[str, str] = {}
    for schema in (specs.state_schema, specs.input_schema):
        info = specs.schema_info(schema)
        if not info.is_root and not _is_typed_dict(schema):
            found.update(unseen_defaults(schema, info.channels, specs.channels))
    return found


def tell_of_unseen_defaults(program: Program, given: Mapping[str, Any]) -> None:
    """Warn of defaults that this input leaves to the schema, where no node sees them."""
    for key, reason in program.unseen_defaults.items():
        if key not in given:
            tell(
                f"graph {program.name!r}: the default of key {key!r} has no effect, because {reason}, and the input "
                f"{sorted(map(str, given))} does not hold the key. Give it there, or give an instance of the schema.",
                DefaultWarning,
            )


def idle_joins(program: Program, state: State) -> Iterator[tuple[str, str]]:
    """List edges that still wait at the end of a run, and whose node never ran: (channel, text that tells of it)."""
    for channel in program.joins:
        barrier: Any = program.channels[channel]
        cell = state.cells.get(channel, MISSING)
        missing = barrier.missing(cell) if isinstance(barrier, Barrier) else ()
        targets = program.trigger_to_nodes.get(channel, ())
        if not missing or any(target in state.seen for target in targets):
            continue
        ran, target = _listed(barrier.seen(cell)), _listed(targets)
        yield (
            channel,
            (
                f"graph {program.name!r} ended with a list edge that never fired: node {target} waits for "
                f"{_listed(missing)}, which did not run, after {ran} did. If not all sources run every time, give "
                f"{target} an edge from each of them and defer=True."
            ),
        )


def _idle_reducers(info: Schema) -> Iterator[tuple[str, Any]]:
    hints = field_hints(info.declared)
    for key, channel in info.channels.items():
        metadata = getattr(unwrapped(hints.get(key)), "__metadata__", ())
        if type(channel) is LastValue and metadata and not callable(metadata[-1]):
            found = [item for item in metadata[:-1] if isinstance(item, _FUNCTIONS) and _merges(item)]
            yield from ((key, item) for item in found[-1:])


def _merges(function: Any) -> bool:
    try:
        return takes_two(inspect.signature(function))
    except (TypeError, ValueError):
        return False


def _is_typed_dict(schema: Any) -> bool:
    return isinstance(schema, type) and issubclass(schema, dict) and hasattr(schema, "__total__")


def _called(function: Any) -> str:
    return str(getattr(function, "__qualname__", None) or getattr(function, "__name__", None) or repr(function))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
