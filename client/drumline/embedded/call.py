"""One call of `stream` or `astream`, made ready: its arguments checked, its run and its view built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import partial
from typing import Any

from drumline.embedded.config import call_config, is_of_task
from drumline.embedded.config import merge_configs as merge_configs
from drumline.embedded.forward import Forwarder
from drumline.embedded.jobs import Embedded
from drumline.embedded.strict import StrictWire
from drumline.tracing.begin import embedded_trace
from drumline.views import View, parse_modes
from drumline_coordinator.run import Run
from drumline_graph.errors import FeatureNotBuilt
from drumline_graph.program import Program
from drumline_graph.types import Command, Send
from drumline_protocol.messages import RunRequest, RunShared
from drumline_protocol.new_ids import new_run_id
from drumline_worker.context import TaskContext, current


@dataclass(slots=True)
class Call:
    """The arguments of one `stream()`/`astream()` call, as LangGraph names them, with defaults resolved."""

    input: Any
    config: dict[str, Any]
    context: Any
    modes: tuple[str, ...]
    listed: bool
    printed: tuple[str, ...]
    output_keys: str | Sequence[str] | None
    subgraphs: bool
    version: str
    #: the task whose node makes this call, if the graph becomes part of that task's run
    caller: TaskContext | None = None

    @property
    def record(self) -> tuple[str, ...]:
        """The modes that the run must record: those yielded and those printed."""
        return tuple(dict.fromkeys((*self.modes, *self.printed)))


def make_call(
    program: Program,
    base_config: Mapping[str, Any] | None,
    input: Any,
    config: Mapping[str, Any] | None,
    *,
    context: Any,
    stream_mode: str | Sequence[str] | None,
    print_mode: str | Sequence[str],
    output_keys: str | Sequence[str] | None,
    subgraphs: bool,
    debug: bool,
    version: str,
    refused: Mapping[str, Any],
) -> Call:
    """Check the arguments of a call.

    Raises ValueError for modes, keys or limits that cannot be, FeatureNotBuilt for what is `refused`.
    """
    for name, value in refused.items():
        if value:
            raise FeatureNotBuilt(f"{name}=", f"calling graph {program.name!r}")
    if stream_mode is None:
        stream_mode = "values" if is_of_task(config) else "updates"
    modes, listed = parse_modes(stream_mode)
    printed = parse_modes(print_mode)[0] if print_mode else ()
    if debug:
        printed = tuple(dict.fromkeys((*printed, "updates", "values")))
    _check_keys(program, output_keys)
    merged, caller = call_config(base_config, config)
    limit = merged.get("recursion_limit")
    if limit is not None and limit < 1:
        raise ValueError(f"recursion_limit must be at least 1, not {limit}")
    return Call(input, merged, context, modes, listed, printed, output_keys, subgraphs, version, caller)


def _check_keys(program: Program, output_keys: str | Sequence[str] | None) -> None:
    if output_keys is None:
        return
    for key in (output_keys,) if isinstance(output_keys, str) else output_keys:
        if key not in program.channels:
            raise ValueError(
                f"Key {key!r} of output_keys is not in channels of graph {program.name!r}: "
                f"{', '.join(sorted(program.state_keys))}"
            )


def coerce_context(program: Program, context: Any) -> Any:
    """A dict given as `context` becomes the graph's context schema, if that is a dataclass or pydantic model."""
    schema: Any = program.context_schema
    if not isinstance(context, dict) or schema is None:
        return context
    build: Any = schema if is_dataclass(schema) or hasattr(schema, "model_validate") else None
    return context if build is None else build(**context)


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
        graph = program_at(program, path)
        node = graph.nodes.get(name) if graph is not None else None
        return node.mapper if node is not None else None

    return mapper


def output_coercion(program: Program) -> Callable[[str, Any], Any]:
    """What v2 makes of a graph's `values`: an instance of its output schema, if that is a class with fields."""

    def coerce(path: str, value: Any) -> Any:
        graph = program_at(program, path)
        schema = None if graph is None else graph.output_schema
        if isinstance(value, dict) and (is_dataclass(schema) or hasattr(schema, "model_validate")):
            return schema(**value)  # type: ignore[operator, misc]
        return value

    return coerce


def portable_input(program: Program, value: Any) -> Any:
    """A graph's input as it may cross a wire: an instance of a schema class becomes a dict of the keys it sets."""
    if value is None or program.is_root or isinstance(value, (dict, list, tuple, Command, Send)):
        return value
    writes = program.input_reader(value)
    return value if writes is None else dict(writes)


def embed(program: Program, call: Call, *, strict: bool, is_async: bool = False) -> Embedded:
    """The run of a call inside this process, not yet started."""
    caller = call.caller
    base: tuple[str, ...] = ()
    record, context, hot = call.record, coerce_context(program, call.context), False
    if caller is not None:
        job = caller.job
        number = next(caller.calls)
        base = (*job.ns, f"{job.node.name}:{job.task}", *((str(number),) if number else ()))
        hot = job.shared.subgraphs
        if hot:
            record = tuple(dict.fromkeys((*record, *job.shared.record)))
        context = job.context if context is None else context
    shared = RunShared(
        run_id=str(call.config.get("run_id") or new_run_id()),
        graph=program.name,
        fingerprint="",
        partition=0,
        config=call.config,
        context=None,
        record=record,
        subgraphs=call.subgraphs or hot,
    )
    view = View(
        call.modes,
        listed=call.listed,
        subgraphs=call.subgraphs,
        output_keys=call.output_keys,
        version=call.version,
        printed=call.printed,
        base=base,
        surfacing=hot,
        coerce=output_coercion(program),
        mappers=mappers_of(program),
        shown_as=program.shown_as,
    )
    forward = None
    if caller is not None and hot:
        keys = program.stream_keys if call.output_keys is None else call.output_keys
        forward = Forwarder(caller.job.emit, base, keys, keeps_custom="custom" in call.record)
    return Embedded(
        Run(program, shared, ns=base, wire=strict),
        RunRequest(run_id=shared.run_id, graph=program.name, input=call.input),
        view,
        context=context,
        forward=forward,
        caller=caller if caller is not None else current.get(),
        strict=StrictWire(program, partial(portable_input, program)) if strict else None,
        trace=embedded_trace(program, call, shared.run_id, base, is_async=is_async),
    )
