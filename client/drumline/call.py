"""A call of a graph, made ready: its arguments checked and parsed once, wherever the graph then runs. Pure.

The embedded runner (`drumline.embedded`) and the client of a cluster (`drumline.cluster`) both start from a `Call`. So
a call means the same in both, and a client loads neither the run machine nor the node runner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drumline.call_config import Config, call_config, config_elsewhere, is_of_task
from drumline.reading import Reading, parse_reading
from drumline_graph.errors import FeatureNotBuilt
from drumline_graph.program import Program
from drumline_graph.types import Command, Send, StateUpdates
from drumline_graph.warnings import DrumlineWarning, LangGraphDeprecatedSinceV10, tell

if TYPE_CHECKING:
    from drumline_worker.context import TaskContext

#: the mode of calls that name none, of graphs that name none either
STREAM_MODE = "updates"

#: when what a run adds to its thread is kept: before the next superstep, meanwhile, or when the run ends
DURABILITIES = ("sync", "async", "exit")


@dataclass(slots=True)
class Call:
    """One `stream()` or `invoke()`: arguments as LangGraph names them, with defaults resolved.

    `caller` is the task whose node makes the call. Inside this process it is None too if the graph gets a run of its
    own.
    """

    input: Any
    config: dict[str, Any]
    context: Any
    reading: Reading
    caller: TaskContext | None = None
    #: what keeps the graph's threads; None: what the caller's run has, if there is one
    saver: Any = None
    durability: str = "async"
    stops_before: tuple[str, ...] = ()
    stops_after: tuple[str, ...] = ()
    #: asks the run to stop between two supersteps (`RunControl`)
    control: Any = None


@dataclass(frozen=True, slots=True)
class Callee:
    """What is called: a graph's name, the graph itself if this process holds it, and what was bound to it beforehand.

    `elsewhere` tells that the run goes to other processes.
    """

    name: str
    program: Program | None = None
    config: Config | None = None
    stream_mode: str | Sequence[str] = STREAM_MODE
    debug: bool = False
    elsewhere: bool = False
    saver: Any = None


def parse_call(
    callee: Callee,
    input: Any,
    config: Mapping[str, Any] | None = None,
    *,
    context: Any = None,
    stream_mode: str | Sequence[str] | None = None,
    print_mode: str | Sequence[str] = (),
    output_keys: str | Sequence[str] | None = None,
    outputs: bool = False,
    interrupt_before: Any = None,
    interrupt_after: Any = None,
    durability: str | None = None,
    control: Any = None,
    subgraphs: bool = False,
    debug: bool | None = None,
    version: str = "v1",
    checkpoint_during: bool | None = None,
) -> Call:
    """Check the arguments of a call, and merge its config with what surrounds it.

    A call that names no mode streams those of its graph; `values` where a node hands its config on, as in LangGraph.
    Raises ValueError for modes, versions, keys or limits that cannot be, TypeError for a `control` that is none,
    FeatureNotBuilt for arguments that are not built yet. Warns of `durability`, which says nothing without a
    checkpointer.
    """
    if control is not None and not hasattr(control, "drain_reason"):
        raise TypeError(f"control= takes a RunControl (drumline.runtime), not {control!r}")
    if control is not None and callee.elsewhere and not hasattr(control, "tell"):
        raise FeatureNotBuilt(
            "Another RunControl than drumline's",
            f"calling graph {callee.name!r} on a cluster",
            "Give control= a drumline.runtime.RunControl, or use Cluster.drain(run_id).",
        )
    if checkpoint_during is not None:
        durability = _durability_of(checkpoint_during, durability)
    if durability is not None and durability not in DURABILITIES:
        raise ValueError(f"unknown durability {durability!r}: it is one of {', '.join(DURABILITIES)}")
    if durability is not None and callee.saver is None and not callee.elsewhere:
        tell(f"graph {callee.name!r}: durability= has no effect without a checkpointer", DrumlineWarning)
    if stream_mode is None:
        stream_mode = "values" if is_of_task(config) else callee.stream_mode
    reading = parse_reading(
        stream_mode,
        print_mode=print_mode,
        output_keys=output_keys,
        outputs=outputs,
        subgraphs=subgraphs,
        debug=callee.debug if debug is None else debug,
        version=version,
    )
    if output_keys is not None and callee.program is not None:
        _check_keys(callee.program, output_keys)
    merge = config_elsewhere if callee.elsewhere else call_config
    merged, caller = merge(callee.config, config)
    limit = merged.get("recursion_limit")
    if limit is not None and limit < 1:
        raise ValueError(f"recursion_limit must be at least 1, not {limit}")
    return Call(
        input,
        merged,
        context,
        reading,
        caller,
        callee.saver,
        durability or "async",
        node_names(interrupt_before),
        node_names(interrupt_after),
        control,
    )


def _durability_of(checkpoint_during: bool, durability: str | None) -> str:
    """What LangGraph's former `checkpoint_during` says. ValueError if `durability` is given too."""
    tell("'checkpoint_during' is deprecated, use 'durability'.", LangGraphDeprecatedSinceV10)
    if durability is not None:
        raise ValueError("Give durability= alone: checkpoint_during= is its former name.")
    return "async" if checkpoint_during else "exit"


def node_names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Nodes that a run is to stop at, as LangGraph's `interrupt_before` names them: a list, or `"*"` for all."""
    if not given:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)


def _check_keys(program: Program, output_keys: str | Sequence[str]) -> None:
    for key in (output_keys,) if isinstance(output_keys, str) else output_keys:
        if key not in program.channels:
            raise ValueError(
                f"Key {key!r} of output_keys is not in channels of graph {program.name!r}: "
                f"{', '.join(sorted(program.state_keys))}"
            )


def portable_input(program: Program, value: Any) -> Any:
    """A graph's input as it may cross a wire: an instance of a schema class becomes a dict of the keys it sets."""
    if value is None or program.is_root or isinstance(value, (dict, list, tuple, Command, Send, StateUpdates)):
        return value
    writes = program.input_reader(value)
    return value if writes is None else dict(writes)
