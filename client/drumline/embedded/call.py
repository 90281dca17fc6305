"""One call of `stream` or `astream`, made ready: its arguments checked, its run and its view built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

from drumline.embedded.jobs import Embedded
from drumline.embedded.strict import StrictWire
from drumline.views import View, parse_modes
from drumline_coordinator.run import Run
from drumline_graph.errors import FeatureNotBuilt
from drumline_graph.program import Program
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

    @property
    def record(self) -> tuple[str, ...]:
        """The modes that the run must record: those yielded and those printed."""
        return tuple(dict.fromkeys((*self.modes, *self.printed)))


def merge_configs(*configs: Mapping[str, Any] | None) -> dict[str, Any]:
    """One config out of several, later ones winning: tags are joined, metadata and configurable merged."""
    merged: dict[str, Any] = {}
    for config in configs:
        for key, value in (config or {}).items():
            if value is None:
                continue
            if key == "tags":
                merged[key] = list(dict.fromkeys([*merged.get(key, ()), *value]))
            elif key in ("metadata", "configurable"):
                merged[key] = {**merged.get(key, {}), **value}
            else:
                merged[key] = value
    return merged


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
    """Check the arguments of a call. ValueError for modes, keys or limits that cannot be; FeatureNotBuilt for `refused`."""
    for name, value in refused.items():
        if value:
            raise FeatureNotBuilt(f"{name}=", f"calling graph {program.name!r}")
    parent = current.get()
    if stream_mode is None:
        stream_mode = "updates" if parent is None else "values"
    modes, listed = parse_modes(stream_mode)
    printed = parse_modes(print_mode)[0] if print_mode else ()
    if debug:
        printed = tuple(dict.fromkeys((*printed, "updates", "values")))
    if "messages" in (*modes, *printed):
        require_langchain()
    _check_keys(program, output_keys)
    merged = merge_configs(_inherited(parent, config), base_config, config)
    limit = merged.get("recursion_limit")
    if limit is not None and limit < 1:
        raise ValueError(f"recursion_limit must be at least 1, not {limit}")
    return Call(
        input, merged, context, modes, listed, printed, output_keys, subgraphs, version
    )


def _inherited(parent: TaskContext | None, config: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a graph that a node calls takes over from the node's own config."""
    if parent is None or _own_thread(config):
        return {}
    given = parent.job.shared.config
    return {
        key: given[key]
        for key in ("tags", "metadata", "configurable", "recursion_limit", "callbacks")
        if given.get(key) is not None
    }


def _own_thread(config: Mapping[str, Any] | None) -> bool:
    return "thread_id" in ((config or {}).get("configurable") or {})


def _check_keys(program: Program, output_keys: str | Sequence[str] | None) -> None:
    if output_keys is None:
        return
    for key in (output_keys,) if isinstance(output_keys, str) else output_keys:
        if key not in program.channels:
            raise ValueError(
                f"Key {key!r} of output_keys is not in channels of graph {program.name!r}: "
                f"{', '.join(sorted(program.state_keys))}"
            )


def require_langchain() -> None:
    """ModuleNotFoundError that says what to install, if langchain-core is not there."""
    from importlib.util import find_spec

    if find_spec("langchain_core") is None:
        raise ModuleNotFoundError(
            "stream_mode='messages' streams LangChain messages, and langchain-core is not installed: "
            'pip install "drumline[langchain]"'
        )


def coerce_context(program: Program, context: Any) -> Any:
    """A dict given as `context` becomes the graph's context schema, if that is a dataclass or pydantic model."""
    schema = program.context_schema
    if not isinstance(context, dict) or schema is None:
        return context
    if is_dataclass(schema) or hasattr(schema, "model_validate"):
        return schema(**context)
    return context


def mappers_of(program: Program) -> Callable[[str, str], Callable[[Any], Any] | None]:
    """How a view builds the input of a node: by graph path and node name."""

    def mapper(path: str, name: str) -> Callable[[Any], Any] | None:
        graph: Program | None = program
        for part in path.split("|") if path else ():
            node = graph.nodes.get(part) if graph is not None else None
            graph = node.subprogram if node is not None else None
        node = graph.nodes.get(name) if graph is not None else None
        return node.mapper if node is not None else None

    return mapper


def output_coercion(program: Program) -> Callable[[Any], Any] | None:
    """What v2 makes of `values`: an instance of the output schema, if that is a class with fields."""
    schema = program.output_schema
    if is_dataclass(schema) or hasattr(schema, "model_validate"):
        return lambda value: schema(**value) if isinstance(value, dict) else value
    return None


def embed(program: Program, call: Call, *, strict: bool) -> Embedded:
    """The run of a call inside this process, not yet started."""
    parent = current.get()
    if parent is not None and _own_thread(call.config) and not _shares_thread(parent, call):
        parent = None
    base: tuple[str, ...] = ()
    record, subgraphs, context = call.record, call.subgraphs, call.context
    if parent is not None:
        job = parent.job
        base = (*job.ns, f"{job.node.name}:{job.task}")
        if parent.calls:
            base = (*base, str(parent.calls))
        parent.calls += 1
        if job.shared.subgraphs:
            record = tuple(dict.fromkeys((*record, *job.shared.record)))
            subgraphs = True
        context = job.context if context is None else context
    shared = RunShared(
        run_id=str(call.config.get("run_id") or new_run_id()),
        graph=program.name,
        fingerprint="",
        partition=0,
        config=call.config,
        context=None,
        record=record,
        subgraphs=subgraphs,
    )
    view = View(
        call.modes,
        listed=call.listed,
        subgraphs=call.subgraphs,
        output_keys=call.output_keys,
        version=call.version,
        printed=call.printed,
        base=base,
        coerce=output_coercion(program),
        mappers=mappers_of(program),
    )
    return Embedded(
        Run(program, shared, ns=base, wire=strict),
        RunRequest(run_id=shared.run_id, graph=program.name, input=call.input),
        view,
        context=coerce_context(program, context),
        parent=parent,
        strict=StrictWire(program) if strict else None,
    )


def _shares_thread(parent: TaskContext, call: Call) -> bool:
    """Whether the thread id was only handed down from the parent's config."""
    theirs = (parent.job.shared.config.get("configurable") or {}).get("thread_id")
    ours = (call.config.get("configurable") or {}).get("thread_id")
    return theirs is not None and theirs == ours
