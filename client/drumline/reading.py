"""How a run's stream is read: what its reader asked for, parsed once, and the view that shows it. Pure.

A call of a graph holds a `Reading` (`drumline.call`), and `Cluster.join` makes one by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, cast

from drumline.views import FinalOutput, View, parse_modes
from drumline.views.called import given_to
from drumline.views.shapes import FACTS
from drumline.views.telling import TellingView
from drumline_graph.called_tasks import find_task
from drumline_graph.program import Node, Program
from drumline_protocol.facts import TaskCalled

if TYPE_CHECKING:
    from drumline_graph.functional import TaskCode

VERSIONS = ("v1", "v2")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader of a run asked for.

    `modes` are yielded, as pairs with their mode if `listed`; `printed` are printed. `outputs` narrows `values` to the
    keys of the graph's output schema, for a reader that does not know them; `output_keys` narrows it to these keys.
    """

    modes: tuple[str, ...]
    listed: bool = False
    printed: tuple[str, ...] = ()
    output_keys: str | Sequence[str] | None = None
    outputs: bool = False
    subgraphs: bool = False
    version: str = "v1"

    @property
    def recorded(self) -> tuple[str, ...]:
        """The modes that the run must record: those yielded and those printed."""
        return tuple(dict.fromkeys((*self.modes, *self.printed)))

    @property
    def is_of_values(self) -> bool:
        """Whether the items are states, the last of which is the run's output."""
        return self.modes == ("values",) and not self.listed


def parse_reading(
    stream_mode: str | Sequence[str],
    *,
    print_mode: str | Sequence[str] = (),
    output_keys: str | Sequence[str] | None = None,
    outputs: bool = False,
    subgraphs: bool = False,
    debug: bool = False,
    version: str = "v1",
) -> Reading:
    """The reading that these arguments of a call ask for. ValueError for a mode or a version that does not exist."""
    if version not in VERSIONS:
        raise ValueError(f"unknown stream version {version!r}: the versions are 'v1' and 'v2'")
    modes, listed = parse_modes(stream_mode)
    printed = parse_modes(print_mode)[0] if print_mode else ()
    if debug:
        printed = tuple(dict.fromkeys((*printed, "updates", "values")))
    return Reading(modes, listed, printed, output_keys, outputs, subgraphs, version)


def view_of(reading: Reading, program: Program | None, **rest: Any) -> View:
    """The view that shows a run so; `program` is the run's graph, if the reader holds it."""
    if program is not None:
        rest.update(coerce=output_coercion(program), mappers=mappers_of(program), shown_as=program.shown_as)
    kind = TellingView if FACTS in reading.modes else View
    return kind(
        reading.modes,
        listed=reading.listed,
        subgraphs=reading.subgraphs,
        output_keys=reading.output_keys,
        outputs=reading.outputs,
        version=reading.version,
        printed=reading.printed,
        **rest,
    )


def result_of(reading: Reading, items: Iterable[Any]) -> Any:
    """What `invoke` returns of a stream's items: the output, or a list of them all where they are no states."""
    if not reading.is_of_values:
        return list(items)
    output = FinalOutput(reading.version, subgraphs=reading.subgraphs)
    for item in items:
        output.add(item)
    return output.result()


async def aresult_of(reading: Reading, items: AsyncIterable[Any]) -> Any:
    """The same for the items of an async stream."""
    if not reading.is_of_values:
        return [item async for item in items]
    output = FinalOutput(reading.version, subgraphs=reading.subgraphs)
    async for item in items:
        output.add(item)
    return output.result()


# -- what a reader that holds the graph knows of its values ---------------------------------------------


def program_at(program: Program, path: str) -> Program | None:
    """The graph at `path` (as sketches name it), or None if there is none."""
    graph: Program | None = program
    for part in path.split("|") if path else ():
        node = graph.nodes.get(part) if graph is not None else None
        graph = node.subprogram if node is not None else None
    return graph


def mappers_of(program: Program) -> Callable[[str, str], Callable[[Any], Any] | None]:
    """How a view builds the input of a node: by graph path and node name."""

    def mapper(path: str, name: str) -> Callable[[Any], Any] | None:
        node = _node_at(program, path, name)
        return node.mapper if node is not None else None

    return mapper


def trace_policies_of(program: Program) -> Callable[[str, str], Any]:
    """What tracers are to record of a node (its `TracePolicy`): by graph path and node name."""

    def policy(path: str, name: str) -> Any:
        node = _node_at(program, path, name)
        return node.trace_policy if node is not None else None

    return policy


def call_names_of(program: Program) -> Callable[[TaskCalled], dict[str, Any] | None]:
    """What tracers are shown of the arguments of a call; None for a `@task` that this process does not know."""

    def named(call: TaskCalled) -> dict[str, Any] | None:
        node = find_task(program, call.code) if call.code else None
        return None if node is None else cast("TaskCode", node.action).named(*given_to(call))

    return named


def _node_at(program: Program, path: str, name: str) -> Node | None:
    graph = program_at(program, path)
    return graph.nodes.get(name) if graph is not None else None


def output_coercion(program: Program) -> Callable[[str, Any, bool], Any]:
    """What v2 makes of a graph's keys: an instance of its output schema, if that is a class with fields.

    With `whole` the keys are those of a checkpoint, and the class is that of the state. A dataclass is given the keys
    that it has; pydantic itself passes over the others.
    """

    def coerce(path: str, value: Any, whole: bool) -> Any:
        graph = program_at(program, path)
        if graph is None or not isinstance(value, dict):
            return value
        schema = graph.state_schema if whole else graph.output_schema
        if is_dataclass(schema):
            known = {field.name for field in fields(schema) if field.init}
            return schema(**{key: value[key] for key in value if key in known})  # type: ignore[operator]
        return schema(**value) if hasattr(schema, "model_validate") else value

    return coerce
