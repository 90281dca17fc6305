"""What a `TracePolicy` makes of a node's input and output is what tracers record, and nobody else, as in LangGraph."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any, TypedDict

import pytest
from langchain_core.tracers.base import BaseTracer
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.differential.harness import ASYNC_ORACLE
from tests.tracing.recorder import Recorder

from drumline.testing import local_cluster

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])


class Traces(BaseTracer):
    """A tracer that keeps the inputs and outputs of runs by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, Any, Any]] = []

    def _end_trace(self, run: Any) -> None:
        self.seen.append((run.name, run.inputs, run.outputs))
        super()._end_trace(run)

    def _persist_run(self, run: Any) -> None:
        """Nowhere."""


class Taps(Recorder):
    """No tracer, though it has methods that LangChain's handlers of streams have."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Any, Any]] = []

    def on_chain_start(  # type: ignore[override]
        self, _serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **rest: Any
    ) -> None:
        super().on_chain_start(_serialized, inputs, run_id=run_id, parent_run_id=parent_run_id, **rest)
        self.told.append((rest.get("name"), inputs))

    def on_chain_end(self, outputs: Any, **told: Any) -> None:
        super().on_chain_end(outputs, **told)
        self.told.append(("end", outputs))

    def tap_output_iter(self, run_id: Any, output: Any) -> Any:
        self.told.append(("tapped", run_id))
        yield from output

    async def tap_output_aiter(self, run_id: Any, output: Any) -> Any:
        self.told.append(("tapped", run_id))
        async for chunk in output:
            yield chunk


class Counted(TypedDict):
    n: int


def fails(_value: Any) -> Any:
    raise RuntimeError("of the policy")


POLICIES: dict[str, dict[str, Any]] = {
    "both": {"process_inputs": lambda value: {"had": sorted(value)}, "process_outputs": lambda _: {"out": "cut"}},
    "input": {"process_inputs": lambda _: {}},
    "output": {"process_outputs": lambda _: {}},
    "none": {},
    "fails": {"process_inputs": fails, "process_outputs": fails},
}


def heard(e: Any, policy: dict[str, Any], use_async: bool, *, on_a_cluster: bool = False) -> Any:
    def node(state: dict[str, Any]) -> dict[str, Any]:
        return {"n": state["n"] + 1}

    cut = e.module("types").TracePolicy(**policy)
    within = e.StateGraph(Counted).add_node("node", node, trace_policy=cut).add_edge(e.START, "node").compile()
    builder = e.StateGraph(Counted).add_node("node", node, trace_policy=cut).add_node("plain", node)
    builder.add_node("within", within, trace_policy=cut).add_edge(e.START, "node").add_edge("node", "plain")
    graph = builder.add_edge("plain", "within").compile()
    traces, taps = Traces(), Taps()
    config = {"callbacks": [traces, taps]}
    with local_cluster({"graph": graph}) if on_a_cluster else nullcontext() as cluster:
        run = graph if cluster is None else cluster.graph("graph")
        result = asyncio.run(run.ainvoke({"n": 1}, config)) if use_async else run.invoke({"n": 1}, config)
    return result, traces.seen, taps.told


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@both_ways
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
def test_tracers_record_what_the_policy_says(policy: dict[str, Any], use_async: bool) -> None:
    expected = heard(LANGGRAPH, policy, use_async)
    assert heard(DRUMLINE, policy, use_async) == expected
    assert heard(DRUMLINE, policy, use_async, on_a_cluster=True) == expected
    assert expected[0] == {"n": 4}
