"""The graphs that a worker holds, and how a task message becomes a job. No IO but for the values it asks for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any

from drumline_graph.called_tasks import find_task
from drumline_graph.constants import START
from drumline_graph.error_classes import error_classes_of
from drumline_graph.errors import DrumlineError, NodeError
from drumline_graph.functional import node_of_call
from drumline_graph.graphs_within import graph_within
from drumline_graph.program import Node, Program
from drumline_graph.superstep import State
from drumline_protocol import wire
from drumline_protocol.checkpoint_ids import NEXT
from drumline_protocol.codec import Boxed, Codec, unbox
from drumline_protocol.errors import DecodeError
from drumline_protocol.failure import rebuild
from drumline_protocol.graph_codecs import GraphCodecs
from drumline_protocol.messages import RunShared, TaskMessage, TaskThread
from drumline_protocol.replay import Replay
from drumline_worker.carried import CarriedThread
from drumline_worker.handlers import run_tracing
from drumline_worker.job import Emit, Job, JobThread
from drumline_worker.task_spans import WorkerSpans
from drumline_worker.values import Inputs, Values

#: runs whose common part is kept decoded
SHARED_MAX = 1000


#: the context of a run whose schema was not called yet
_UNBUILT = object()


@dataclass(slots=True)
class _Known:
    """The common part of a run's tasks, the context made of it, and who listens to them."""

    shared: RunShared
    context: Any = _UNBUILT
    tracing: Any = _UNBUILT
    spans: Any = None


class NotHeld(DrumlineError):
    """This worker does not hold the graph, or holds another version of it."""


class Registry:
    """Programs by name, and the codecs that know their types. `version` is the protocol that the cluster speaks.

    `stores` are those of the graphs by name; without it each graph has the one that it was compiled with. `spans` makes
    the spans of tasks, if somebody asks for these.

    `codec` reads and writes messages; `codec_of(message)` the values of a task's graph.
    """

    def __init__(
        self,
        programs: Mapping[str, Program],
        version: int = wire.VERSION,
        stores: Mapping[str, Any] | None = None,
        spans: WorkerSpans | None = None,
    ) -> None:
        self.programs = dict(programs)
        self._spans = spans
        self._stores = {name: program.store for name, program in programs.items()} if stores is None else dict(stores)
        self._codecs = GraphCodecs(self.programs, version)
        self.codec = self._codecs.general
        self._shared: OrderedDict[bytes, _Known] = OrderedDict()

    def give_store(self, store: Any) -> None:
        """From now on graphs without a store have this one."""
        self._stores = {name: store if own is None else own for name, own in self._stores.items()}

    def fingerprints(self) -> dict[str, str]:
        """Name -> fingerprint of every graph that is held."""
        return {name: program.fingerprint for name, program in self.programs.items()}

    def shared(self, message: TaskMessage) -> RunShared:
        """The part of the message that all tasks of its run have in common. Calls no code of the graph."""
        return self._common(message).shared

    def codec_of(self, graph: str) -> Codec:
        """The codec for values of that graph."""
        return self._codecs.of(graph)

    def _common(self, message: TaskMessage) -> _Known:
        box = message.shared
        if type(box) is not Boxed:
            raise DecodeError("a task must carry the common part of its run, boxed")
        known = self._shared.get(box.data)
        if known is None:
            shared = wire.from_row(unbox(box))
            if type(shared) is not RunShared:
                raise DecodeError(f"a task carries a {type(shared).__name__} in place of its run's common part")
            own = self.codec_of(shared.graph)
            if own is not self.codec:
                shared = wire.from_row(own.decode(box.data))
            try:
                shared.run_id.encode()  # it becomes part of a key
            except UnicodeEncodeError:
                raise DecodeError(f"run id {shared.run_id!r} cannot be written as UTF-8") from None
            known = self._shared[box.data] = _Known(shared)
            if self._spans is not None:
                known.spans = self._spans.of_run(shared)
            if len(self._shared) > SHARED_MAX:
                self._shared.popitem(last=False)
        return known

    def job(
        self,
        message: TaskMessage,
        emit: Emit,
        executor: str,
        values: Values,
    ) -> Job:
        """The job that a task message asks for, with the large values that it names.

        Raises NotHeld; whatever `values` and the schemas of node and context raise passes through.
        """
        known = self._common(message)
        shared = known.shared
        program, node, above = self._find(shared, message)
        if message.code:
            node = self._called(program, shared.graph, message.code)
        if known.context is _UNBUILT:
            known.context = _context(self.programs[shared.graph], shared.context)
        if known.tracing is _UNBUILT:
            known.tracing = run_tracing(shared)
        inputs = values.inputs(self.codec_of(shared.graph), shared, message, program.nodes)
        job = Job(
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
            input=_input(program, program.nodes.get(message.failed, node), message, inputs),
            context=known.context,
            cells=inputs.cells,
            writes=inputs.writes,
            emit=emit,
            executor=executor,
            above=above,
            tracing=known.tracing,
            cache=program.cache or self.programs[shared.graph].cache,
            store=self._stores.get(shared.graph),
            first_ms=message.first_ms,
            origins=inputs.origins,
        )
        if message.callers:
            job.ns, job.depth = (*message.ns, *message.callers), len(message.callers)
            job.called_in = message.called_in
        if message.calls_from:
            job.calls_from = message.calls_from
        if message.below is not None:
            job.answers, job.thread = message.answers, self._thread(shared, message.below)
        if message.tries > 1:
            job.tries, job.called = message.tries, message.called
        if message.failed:
            job.failed = _what_failed(program, message)
        if message.timeout is not None or node.timeout is not None:
            job.timeout = message.timeout or node.timeout
        if node.cache is not None:
            job.codec = self.codec_of(shared.graph)
        if known.spans is not None:
            job.spans, job.sent_in = known.spans, message.sent_in
        return job

    def _called(self, program: Program, graph: str, code: str) -> Node:
        """The node of a called `@task`. NotHeld if it is not known here."""
        node = find_task(self.programs[graph], code)
        if node is None:
            raise NotHeld(f"@task {code!r} is not known here: the code of graph {graph!r} does not name it")
        return node_of_call(program, node)

    def _thread(self, shared: RunShared, below: TaskThread) -> JobThread:
        carried = CarriedThread(self.codec_of(shared.graph), below.rows)
        return JobThread(
            shared.thread,
            carried,
            "sync",
            below.checkpoint,
            below.parents,
            below.resumes,
            below.answers,
            addressed=below.addressed,
            single=below.single,
            rows=carried.rows,
            lent=NEXT in below.answers,
            replay=Replay(below.bound) if below.bound else None,
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
            if segment.isdecimal():  # the number of a call
                continue
            node = _node(program, segment.partition(":")[0])
            within = node.subprogram or (graph_within(node) if shared.ns else None)
            if within is None:
                raise NotHeld(f"node {node.name!r} of graph {shared.graph!r} is no subgraph here")
            above.append(node)
            program = getattr(within, "program", within)
        if message.code:
            return program, program.start, tuple(above)
        node = program.start if message.node == START else _node(program, message.node)
        return program, node, tuple(above)


def _node(program: Program, name: str) -> Node:
    node = program.nodes.get(name)
    if node is None:  # of the very same graph: the message is damaged, and another worker would not do better
        raise DrumlineError(f"a task names node {name!r}, which graph {program.name!r} does not have: it is damaged")
    return node


def _input(program: Program, node: Node, message: TaskMessage, inputs: Inputs) -> Any:
    if node.name == START:
        return dict(inputs.writes or ())
    if message.phase != "run":
        return None
    if message.path[0] == "__pregel_push":
        return unbox(inputs.arg)
    state = State(inputs.cells, {}, {}, 0)
    value = state.read(program, node.input_keys, step=message.step, stop=message.stop)
    return value if node.mapper is None else node.mapper(value)


def _what_failed(program: Program, message: TaskMessage) -> NodeError | None:
    """What an error handler is given of the error."""
    if not message.failed:
        return None
    return NodeError(message.failed, rebuild(message.error, error_classes_of(program)))


def _context(program: Program, context: Any) -> Any:
    """A dict given as `context` becomes the graph's context schema, if that is a class with fields."""
    schema: Any = program.context_schema
    has_fields = any((is_dataclass(schema), hasattr(schema, "model_validate")))
    return schema(**context) if has_fields and isinstance(context, dict) else context
