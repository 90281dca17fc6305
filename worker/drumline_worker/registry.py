"""The graphs that a worker holds, and how a task message becomes a job. Pure but for the blobs it asks for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any

from drumline_graph.constants import START
from drumline_graph.errors import DrumlineError
from drumline_graph.node import Node
from drumline_graph.program import Program
from drumline_graph.superstep import State
from drumline_protocol import wire
from drumline_protocol.codec import Codec, unbox
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.messages import RunShared, TaskMessage
from drumline_worker.job import Emit, Job

#: runs whose common part is kept decoded
SHARED_MAX = 1000


class NotHeld(DrumlineError):
    """This worker does not hold the graph, or holds another version of it."""


class Registry:
    """Programs by name, and the codec that knows their types."""

    def __init__(self, programs: Mapping[str, Program]) -> None:
        self.programs = dict(programs)
        types = TypeTable()
        for program in self.programs.values():
            types = types.with_types(program.schema_types())
        self.codec = Codec(types)
        self._shared: OrderedDict[bytes, tuple[RunShared, Any]] = OrderedDict()

    def fingerprints(self) -> dict[str, str]:
        """Name -> fingerprint of every graph that is held."""
        return {name: program.fingerprint for name, program in self.programs.items()}

    def shared(self, message: TaskMessage) -> RunShared:
        """The part of the message that all tasks of its run have in common."""
        return self._common(message)[0]

    def _common(self, message: TaskMessage) -> tuple[RunShared, Any]:
        key = message.shared.data
        known = self._shared.get(key)
        if known is None:
            shared = wire.from_row(unbox(message.shared))
            program = self.programs.get(shared.graph)
            known = (shared, _context(program, shared.context))
            self._shared[key] = known
            if len(self._shared) > SHARED_MAX:
                self._shared.popitem(last=False)
        return known

    def job(
        self,
        message: TaskMessage,
        emit: Emit,
        executor: str,
        blob: Callable[[int, str], bytes | None],
    ) -> Job:
        """The job that a task message asks for.

        `blob(partition, id)` fetches a large value. Raises NotHeld; whatever the node's schema raises for its input
        passes through.
        """
        shared, context = self._common(message)
        program, node, above = self._find(shared, message)
        cells = dict(message.cells)
        for key, blob_id in message.blobs.items():
            data = blob(shared.partition, blob_id)
            if data is None:
                raise DrumlineError(
                    f"the value of key {key!r} is gone from the broker (blob {blob_id}): the run is over, or its "
                    "keys were deleted by hand"
                )
            cells[key] = self.codec.decode(data)
        return Job(
            program=program,
            node=node,
            shared=shared,
            ns=message.ns,
            task=message.task,
            attempt=message.attempt,
            step=message.step,
            stop=message.stop,
            path=message.path,
            triggers=message.triggers,
            phase=message.phase,
            input=_input(program, node, message, cells),
            context=context,
            cells=cells,
            writes=message.writes,
            emit=emit,
            executor=executor,
            above=above,
        )

    def _find(self, shared: RunShared, message: TaskMessage) -> tuple[Program, Node, tuple[Node, ...]]:
        """The graph and node of a task, and the subgraph nodes above it, outermost first."""
        program = self.programs.get(shared.graph)
        if program is None:
            raise NotHeld(f"graph {shared.graph!r} is not among {sorted(self.programs)}")
        if program.fingerprint != shared.fingerprint:
            raise NotHeld(
                f"graph {shared.graph!r} is held as {program.fingerprint[:12]}, the run needs {shared.fingerprint[:12]}"
            )
        above: list[Node] = []
        for segment in message.ns:
            node = program.nodes[segment.rpartition(":")[0]]
            if node.subprogram is None:
                raise NotHeld(f"node {node.name!r} of graph {shared.graph!r} is no subgraph here")
            above.append(node)
            program = node.subprogram
        node = program.start if message.node == START else program.nodes[message.node]
        return program, node, tuple(above)


def _input(program: Program, node: Node, message: TaskMessage, cells: dict[str, Any]) -> Any:
    if node.name == START:
        return dict(message.writes or ())
    if message.phase != "run":
        return None
    if message.path[0] == "__pregel_push":
        return message.arg
    state = State(cells, {}, {}, 0)
    value = state.read(program, node.input_keys, step=message.step, stop=message.stop)
    return value if node.mapper is None else node.mapper(value)


def _context(program: Program | None, context: Any) -> Any:
    """A dict given as `context` becomes the graph's context schema, if that is a class with fields."""
    schema = None if program is None else program.context_schema
    if isinstance(context, dict) and (is_dataclass(schema) or hasattr(schema, "model_validate")):
        return schema(**context)  # type: ignore[operator, misc]
    return context
