"""The graphs that the simulated cluster runs: fixed ones, each for a rule of the machine, and random ones.

All nodes are sync and depend on their input alone, so that a second attempt emits and returns the same. Custom events
of fixed graphs are tokens `{"lane": node, "who": task's label, "n": 0, 1, 2, ...}`: the checks count them.
"""

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from tests.differential import random_graphs
from tests.differential.engines import DRUMLINE
from tests.differential.harness import ALL_MODES, record
from tests.differential.normal import Recorded
from typing_extensions import TypedDict

from drumline.errors import NodeError
from drumline.graph import END, START, StateGraph
from drumline.runtime import Runtime
from drumline.types import Command, RetryPolicy, Send, StreamWriter, interrupt
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable

#: random graphs to choose from, and the longest reference stream that is still worth its time
RANDOM_GRAPHS = 80
RANDOM_ITEMS_MAX = 110


@dataclass(slots=True)
class Subject:
    """A graph under test, what it is run with, and the stream of its run without faults."""

    name: str
    graph: Any
    input: Any
    config: dict[str, Any]
    reference: Recorded
    codec: Codec
    #: whether two runs may not differ even in how tasks interleave
    exact: bool = False


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    total: Annotated[int, operator.add]
    item: str
    turn: int


def tokens(writer: StreamWriter, lane: str, who: str, count: int) -> None:
    for n in range(count):
        writer({"lane": lane, "who": who, "n": n})


def speaker(name: str, count: int, **writes: Any) -> Callable[..., Any]:
    """A node that emits `count` tokens and writes that it was there, and what it saw."""

    def node(state: State, writer: StreamWriter) -> dict[str, Any]:
        saw = len(state.get("log", ()))
        tokens(writer, name, f"{name}@{saw}", count)
        return {"log": [f"{name}@{saw}"], "total": 1, **writes}

    return node


def chain() -> Any:
    builder = StateGraph(State)
    for name, count in (("a", 4), ("b", 7), ("c", 3)):
        builder.add_node(name, speaker(name, count))
    builder.add_edge(START, "a").add_edge("a", "b").add_edge("b", "c").add_edge("c", END)
    return builder.compile()


def fan() -> Any:
    """Sends and a reducer: each worker task has tokens of its own."""

    def work(state: State, writer: StreamWriter) -> dict[str, Any]:
        tokens(writer, "work", state["item"], 1 + len(state["item"]) % 4)
        return {"log": [state["item"]], "total": len(state["item"])}

    def spread(_state: State) -> list[Send]:
        return [Send("work", {"item": "i" * n}) for n in range(1, 12)]

    builder = StateGraph(State).add_node("split", speaker("split", 2)).add_node("work", work)
    builder.add_node("collect", speaker("collect", 2))
    builder.add_edge(START, "split").add_conditional_edges("split", spread, ["work"])
    builder.add_edge("work", "collect")
    return builder.compile()


def join() -> Any:
    """A list join, and a deferred node that waits for the longer arm."""
    builder = StateGraph(State)
    for name, count in (("a", 2), ("b", 3), ("slow", 1), ("slower", 2), ("both", 1)):
        builder.add_node(name, speaker(name, count))
    builder.add_node("last", speaker("last", 2), defer=True)
    builder.add_edge(START, "a").add_edge(START, "b").add_edge(START, "slow")
    builder.add_edge(["a", "b"], "both").add_edge("slow", "slower")
    builder.add_edge("both", "last").add_edge("slower", "last")
    return builder.compile()


def child(name: str = "child") -> Any:
    """Two nodes side by side, then a third."""
    builder = StateGraph(State)
    for part in ("left", "right", "end"):
        builder.add_node(part, speaker(f"{name}.{part}", 2))
    builder.add_edge(START, "left").add_edge(START, "right")
    builder.add_edge(["left", "right"], "end")
    return builder.compile()


def nested() -> Any:
    """A subgraph whose node has a router, so that its task has a tail; beside it a plain node."""

    def route(state: State, writer: StreamWriter) -> str:
        tokens(writer, "sub", "route", 2)
        return "many" if len(state["log"]) > 2 else "few"

    builder = StateGraph(State).add_node("sub", child()).add_node("beside", speaker("beside", 3))
    builder.add_node("many", speaker("many", 2)).add_node("few", speaker("few", 2))
    builder.add_edge(START, "sub").add_edge(START, "beside")
    builder.add_conditional_edges("sub", route, ["many", "few"])
    return builder.compile()


def deep() -> Any:
    """Subgraphs in a subgraph, several of them at once, entered by Sends."""
    inner = StateGraph(State).add_node("inner", child("inner")).add_edge(START, "inner").compile()

    def spread(_state: State) -> list[Send]:
        return [Send("sub", {"log": ["x"] * n}) for n in (1, 2, 3)]

    builder = StateGraph(State).add_node("sub", inner).add_node("end", speaker("end", 1))
    builder.add_conditional_edges(START, spread, ["sub"])
    builder.add_edge("sub", "end")
    return builder.compile()


def start_router() -> Any:
    def route(_state: State, writer: StreamWriter) -> list[str]:
        tokens(writer, "__start__", "start", 3)
        return ["a", "b"]

    builder = StateGraph(State).add_node("a", speaker("a", 2)).add_node("b", speaker("b", 1))
    builder.add_conditional_edges(START, route, ["a", "b"])
    return builder.compile()


def commands() -> Any:
    """`Command` with goto and Sends; a child node that answers for the parent graph, and two while a third one runs."""

    def go(_state: State, writer: StreamWriter) -> Command[Any]:
        tokens(writer, "go", "go", 2)
        return Command(update={"log": ["go"]}, goto=["sub", "both", Send("aside", {"item": "sent"})])

    def leave(_state: State, writer: StreamWriter) -> Command[Any]:
        tokens(writer, "leave", "leave", 2)
        return Command(graph=Command.PARENT, update={"log": ["left"]}, goto="end")

    def leave_too(_state: State, writer: StreamWriter) -> Command[Any]:
        tokens(writer, "leave_too", "leave too", 1)
        return Command(graph=Command.PARENT, update={"log": ["left too"]}, goto="end")

    inner = StateGraph(State).add_node("first", speaker("first", 1)).add_node("leave", leave)
    inner.add_edge(START, "first").add_edge("first", "leave")
    both = StateGraph(State).add_node(leave).add_node(leave_too).add_node("stay", speaker("stay", 3))
    both.add_edge(START, "leave").add_edge(START, "leave_too").add_edge(START, "stay")
    builder = StateGraph(State).add_node("go", go).add_node("sub", inner.compile())
    builder.add_node("both", both.compile())
    builder.add_node("aside", speaker("aside", 2)).add_node("end", speaker("end", 1))
    builder.add_edge(START, "go")
    return builder.compile()


def raises() -> Any:
    def fail(_state: State, writer: StreamWriter) -> dict[str, Any]:
        tokens(writer, "fail", "fail", 2)
        raise ValueError("this node fails")

    builder = StateGraph(State).add_node("a", speaker("a", 2)).add_node("fail", fail)
    builder.add_edge(START, "a").add_edge("a", "fail")
    return builder.compile()


def child_raises() -> Any:
    builder = StateGraph(State).add_node("sub", raises()).add_node("beside", speaker("beside", 1))
    builder.add_edge(START, "sub").add_edge(START, "beside")
    return builder.compile()


def loop() -> Any:
    """A cycle; run with a recursion limit, it does not come to its end."""

    def turn(state: State, writer: StreamWriter) -> dict[str, Any]:
        at = state.get("turn", 0)
        tokens(writer, "turn", f"turn{at}", 2)
        return {"turn": at + 1, "log": [f"turn {at}"]}

    def more(state: State) -> str:
        return "turn" if state["turn"] < 6 else END

    builder = StateGraph(State).add_node("turn", turn).add_edge(START, "turn")
    builder.add_conditional_edges("turn", more, ["turn", END])
    return builder.compile()


def large() -> Any:
    """A value that travels as a blob, read by two tasks and grown by one."""

    def grow(_state: State) -> dict[str, Any]:
        return {"item": "x" * 70_000}

    def measure(state: State) -> dict[str, Any]:
        return {"total": len(state["item"])}

    builder = StateGraph(State).add_node("grow", grow).add_edge(START, "grow")
    for name in ("one", "two"):
        builder.add_node(name, measure).add_edge("grow", name)
    return builder.compile()


def sends_what_it_read() -> Any:
    """As an agent does: a router sends on the state that it has read, while a sibling replaces some of it; who gets
    that sends it on once more.
    """

    def think(state: State, writer: StreamWriter) -> dict[str, Any]:
        tokens(writer, "think", f"think{state.get('turn', 0)}", 1)
        return {"turn": state.get("turn", 0) + 1, "log": [f"turn {state.get('turn', 0)}".ljust(90, ".")]}

    def write(state: State) -> dict[str, Any]:
        return {"item": f"text {state.get('turn', 0)}".ljust(300, ".")}

    def call(state: State) -> list[Send]:
        asked = [{"item": "a", "seen": state}, {"item": "b", "seen": {**state, "log": [*state["log"], "more"]}}]
        return [*(Send("tool", arg) for arg in asked), Send("tool", {"item": "c", "seen": {"log": state["log"][1:]}})]

    def tool(state: Any, writer: StreamWriter) -> Command[Any]:
        seen = state["seen"]
        tokens(writer, "tool", f"{state['item']}{len(seen['log'])}", 2)
        told = f"{state['item']}: {seen['log'][-1]} {seen.get('item', '')[:8]} {len(seen.get('item', ''))}"
        again = {"item": state["item"], "seen": seen, "told": told}
        return Command(update={"total": len(seen["log"])}, goto=Send("relay", again) if state["item"] != "b" else ())

    def relay(state: Any) -> dict[str, Any]:
        seen = state["seen"]
        return {"log": [f"{state['told']} {len(seen['log'])} {seen.get('item', '')[:8]}"]}

    def more(state: State) -> list[str] | str:
        return ["think", "write"] if state["turn"] < 4 else END

    builder = StateGraph(State).add_node("think", think).add_node("write", write)
    builder.add_node("tool", tool).add_node("relay", relay)
    builder.add_edge(START, "think").add_edge(START, "write")
    builder.add_conditional_edges("think", call, ["tool"]).add_conditional_edges("relay", more, ["think", "write", END])
    return builder.compile()


def unencodable() -> Any:
    def odd(_state: State, writer: StreamWriter) -> dict[str, Any]:
        tokens(writer, "odd", "odd", 2)
        return {"item": object()}

    builder = StateGraph(State).add_node("odd", odd).add_edge(START, "odd")
    return builder.compile(strict_wire=True)


def asks() -> Any:
    """A subgraph that asks the caller while its sibling, and its parent's, go on."""

    def ask(_state: State, writer: StreamWriter) -> dict[str, Any]:
        tokens(writer, "ask", "ask", 2)
        return {"log": [interrupt("why?")]}

    inner = StateGraph(State).add_node("ask", ask).add_node("aside", speaker("aside", 2))
    inner.add_edge(START, "ask").add_edge(START, "aside")
    builder = StateGraph(State).add_node("sub", inner.compile()).add_node("beside", speaker("beside", 3))
    return builder.add_edge(START, "sub").add_edge(START, "beside").compile()


def mending() -> Any:
    """Nodes that are tried again, one of them in vain, with handlers; and a graph that is handled as a whole."""
    policy = RetryPolicy(initial_interval=0.01, max_attempts=3, jitter=False, retry_on=KeyError)

    def failing(name: str, times: int) -> Callable[..., Any]:
        def node(_state: State, writer: StreamWriter, runtime: Runtime[Any]) -> dict[str, Any]:
            info = runtime.execution_info
            assert info is not None
            tokens(writer, name, f"{name} {info.node_attempt}", 2)
            if info.node_attempt <= times:
                raise KeyError(name)
            return {"log": [name], "total": 1}

        return node

    def mends(_state: State, writer: StreamWriter, error: NodeError) -> Command[str]:
        tokens(writer, "mends", error.node, 2)
        return Command(update={"log": [f"{error.node}: {error.error!r}"], "total": 1}, goto="end")

    part = StateGraph(State).add_node("left", speaker("left", 2)).add_node("fails", failing("fails", 9))
    part.add_edge(START, "left").add_edge(START, "fails")
    builder = StateGraph(State).add_node("once", failing("once", 1), retry_policy=policy)
    builder.add_node("twice", failing("twice", 2), retry_policy=policy)
    builder.add_node("never", failing("never", 9), retry_policy=policy, error_handler=mends)
    builder.add_node("part", part.compile(), error_handler=mends).add_node("end", speaker("end", 1))
    builder.add_edge(START, "once").add_edge(START, "twice").add_edge("once", "never").add_edge("once", "part")
    builder.add_edge("twice", "end")
    return builder.compile()


INPUT: dict[str, Any] = {"log": ["i"]}
_FIXED: dict[str, tuple[Callable[[], Any], Any, dict[str, Any], bool]] = {
    "chain": (chain, INPUT, {}, True),
    "fan": (fan, INPUT, {}, False),
    "narrow fan": (fan, INPUT, {"max_concurrency": 2}, False),
    "join": (join, INPUT, {}, False),
    "nested": (nested, INPUT, {}, False),
    "deep": (deep, INPUT, {}, False),
    "start router": (start_router, INPUT, {}, False),
    "commands": (commands, INPUT, {}, False),
    "raises": (raises, INPUT, {}, True),
    "child raises": (child_raises, INPUT, {}, False),
    "loop": (loop, INPUT, {}, True),
    "limit": (loop, INPUT, {"recursion_limit": 4}, True),
    "asks": (asks, INPUT, {}, False),
    "large": (large, INPUT, {}, False),
    "sends what it read": (sends_what_it_read, INPUT, {}, False),
    "unencodable": (unencodable, INPUT, {}, True),
    "refused input": (chain, None, {}, True),
}
FIXED = tuple(_FIXED)
#: those that only tests of their own run
_FIXED["mending"] = (mending, INPUT, {}, False)


@functools.cache
def fixed(name: str) -> Subject:
    """A fixed graph by its name."""
    build, input, config, exact = _FIXED[name]
    return _subject(name, build(), input, config, exact=exact)


@functools.cache
def random_subject(number: int) -> Subject:
    """The first suitable random graph of the seeds from `1000 * number` on."""
    seed = 1000 * number
    while True:
        spec = random_graphs.from_seed(seed)
        if not (spec.needs_async or spec.messages or _calls(spec)):
            graph = random_graphs.build(DRUMLINE, spec)
            config = {"recursion_limit": min(spec.limit, 12)}
            found = _subject(f"random {seed}", graph, random_graphs.INPUT, config)
            if len(found.reference.items) <= RANDOM_ITEMS_MAX:
                return found
        seed += 1


def _calls(spec: random_graphs.GraphSpec) -> bool:
    """Whether a node calls a graph itself: such a run draws an id and times of its own for each attempt."""
    return any(node.kind == "call" or (node.child is not None and _calls(node.child)) for node in spec.nodes)


def _subject(name: str, graph: Any, input: Any, config: dict[str, Any], *, exact: bool = False) -> Subject:
    reference = record(graph, input, ALL_MODES, config=config)
    codec = Codec(TypeTable().with_types(graph.program.schema_types()))
    return Subject(name, graph, input, config, reference, codec, exact)
