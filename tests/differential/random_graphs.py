"""Random graphs as plain data, and the one builder that makes them for either engine (docs/semantics.md, Appendix A).

A `GraphSpec` says everything about a graph; its `repr` is code that makes it again. `from_seed`
draws one from a number, `specs()` is a hypothesis strategy over the same generator, so that a
failure shrinks. `build(e, spec)` gives the compiled graph, `INPUT` and `spec.limit` are what it is
run with.

Every node's work depends on its input alone, so that two engines that agree on the semantics give
the same stream up to RACE. Loops end by the length of the list in the state, or by the recursion
limit, which is compared too."""

import asyncio
import functools
import operator
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, make_dataclass, replace
from typing import Annotated, Any, Protocol, TypeVar

import typing_extensions

from .engines import Engine
from .harness import ALL_MODES, record
from .normal import Recorded

INPUT: dict[str, Any] = {"items": ["i"], "n": 0}
T = TypeVar("T")


@dataclass(frozen=True)
class NodeSpec:
    """One node.

    `kind` is a key of `_WEIGHTS`; `random_nodes` says what a node of it does. The other fields mean something for some.
    """

    name: str
    kind: str
    targets: tuple[str, ...] = ()
    stop: int = 9
    sends: int = 1
    writes: tuple[str, ...] = ()
    events: int = 0
    writer: str = "param"
    is_async: bool = False
    defer: bool = False
    child: "GraphSpec | None" = None


@dataclass(frozen=True)
class GraphSpec:
    """A graph: `starts` are START's edges, `start_router` what a router of START returns (empty:
    none).
    """

    nodes: tuple[NodeSpec, ...]
    starts: tuple[str, ...]
    edges: tuple[tuple[str, str], ...] = ()
    joins: tuple[tuple[tuple[str, ...], str], ...] = ()
    start_router: tuple[str, ...] = ()
    state: str = "typed"
    reducer: str = "add"
    messages: bool = False
    limit: int = 25

    @property
    def needs_async(self) -> bool:
        return any(n.is_async or (n.child is not None and n.child.needs_async) for n in self.nodes)

    @property
    def modes(self) -> list[str]:
        return [*ALL_MODES, "messages"] if self.messages else ALL_MODES


# -- drawing -------------------------------------------------------------------------------------


class Draws(Protocol):
    """Where the generator's choices come from. The first choice is the simplest one."""

    def integer(self, low: int, high: int) -> int: ...


class SeedDraws:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        return self._random.randint(low, high)


class HypothesisDraws:
    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        from hypothesis import strategies

        return int(self._draw(strategies.integers(low, high)))


def _chance(draws: Draws, percent: int) -> bool:
    return draws.integer(0, 99) >= 100 - percent


def _pick(draws: Draws, choices: Sequence[T]) -> T:
    return choices[draws.integer(0, len(choices) - 1)]


# Kinds with their weights; the first is the simplest.
_WEIGHTS = {
    "plain": 5,
    "none": 2,
    "empty": 1,
    "command": 2,
    "command_sends": 2,
    "commands": 2,
    "pairs": 1,
    "route": 3,
    "route_map": 1,
    "route_sends": 3,
    "route_extra": 1,
    "send": 1,
    "overwrite": 1,
    "object": 1,
    "fail": 1,
}
_KINDS = [kind for kind, weight in _WEIGHTS.items() for _ in range(weight)]
_EXTRA_KEYS = ("count", "text", "table", "by_id", "pair")


def draw_spec(draws: Draws, *, depth: int = 0, sync_only: bool = False) -> GraphSpec:
    """One graph; `depth` 0 may hold children, whose own depth is 1."""
    names = [f"n{i}" for i in range(draws.integer(3, 7) if depth == 0 else draws.integer(1, 3))]
    with_async = not sync_only and _chance(draws, 30)
    nodes = tuple(_draw_node(draws, name, names, depth, with_async) for name in names)
    starts = tuple(dict.fromkeys(_pick(draws, names) for _ in range(draws.integer(1, 3))))
    edges = tuple((a, b) for i, a in enumerate(names) for b in names[i + 1 :] if _chance(draws, 30))
    joins: tuple[tuple[tuple[str, ...], str], ...] = ()
    if len(names) > 2 and _chance(draws, 60):
        one = draws.integer(0, len(names) - 3)
        two = draws.integer(one + 1, len(names) - 2)
        joins = (((names[one], names[two]), names[-1]),)
    has_child = any(node.kind == "child" for node in nodes)
    return GraphSpec(
        nodes,
        starts,
        edges,
        joins,
        start_router=(_pick(draws, names),) if _chance(draws, 10) else (),
        state=_pick(draws, ("typed", "typed", "typed", "pydantic", "dataclass")),
        reducer="tail" if has_child else _pick(draws, ("add", "add", "add", "tail")),
        messages=depth == 0 and _chance(draws, 15),
        limit=_pick(draws, (25, 25, 25, 12, 5)),
    )


def _draw_node(draws: Draws, name: str, names: list[str], depth: int, with_async: bool) -> NodeSpec:
    kind = _pick(draws, _KINDS)
    is_async = with_async and _chance(draws, 50)
    child = None
    if kind == "fail" and not _chance(draws, 40):
        kind = "plain"
    if depth == 0 and _chance(draws, 12):
        kind = _pick(draws, ("child", "call"))
        child = draw_spec(draws, depth=1, sync_only=not (is_async or kind == "child") or not with_async)
    writes = tuple(key for key in _EXTRA_KEYS if _chance(draws, 20))
    if _chance(draws, 6):
        writes += ("last",)
    return NodeSpec(
        name,
        kind,
        targets=(_pick(draws, names), _pick(draws, names)),
        stop=_pick(draws, (9, 12)),
        sends=_pick(draws, (1, 1, 2, 3, 11) if depth == 0 else (1, 2)) if kind == "route_sends" else 1,
        writes=writes,
        events=draws.integer(0, 2),
        writer=_pick(draws, ("param", "get")),
        is_async=is_async and kind != "child",
        defer=_chance(draws, 20),
        child=child,
    )


def from_seed(seed: int) -> GraphSpec:
    return draw_spec(SeedDraws(seed))


def specs() -> Any:
    """The generator as a hypothesis strategy."""
    from hypothesis import strategies

    @strategies.composite
    def spec(draw: Callable[[Any], Any]) -> GraphSpec:
        return draw_spec(HypothesisDraws(draw))

    return spec()


# -- state ---------------------------------------------------------------------------------------


def tail(left: Any, right: Any) -> Any:
    """Concatenation that forgets: a child's full output doubles each such key at every step."""
    return (left + right)[-40:]


def merge(left: dict, right: dict) -> dict:
    return {**left, **right}


def by_id(left: list, right: list) -> list:
    """As add_messages, on plain dicts: the same id replaces in place, a new one is appended."""
    found = {item["id"]: item for item in left}
    found.update((item["id"], item) for item in right)
    return list(found.values())


@functools.cache
def state_class(e: Engine, kind: str, reducer: str, messages: bool) -> type:
    """The state schema; one class per variant, so that parent and child share it."""
    add = {"add": operator.add, "tail": tail}[reducer]
    fields: dict[str, Any] = {
        "items": Annotated[list, add],
        "n": int,
        "last": str,
        "count": Annotated[int, operator.add],
        "text": Annotated[str, add],
        "table": Annotated[dict, merge],
        "by_id": Annotated[list, by_id],
        "pair": Annotated[tuple, add],
    }
    if messages:
        from langchain_core.messages import AnyMessage

        fields["messages"] = Annotated[list[AnyMessage], e.add_messages]
    name = f"State_{kind}_{reducer}" + ("_messages" if messages else "")
    made: type
    if kind == "typed":
        made = typing_extensions.TypedDict(name, fields)  # type: ignore[misc, no-redef, operator]
    elif kind == "pydantic":
        import pydantic

        defaults = {key: (hint, _default(hint)) for key, hint in fields.items()}
        made = pydantic.create_model(name, __module__=__name__, **defaults)  # type: ignore[call-overload]
    else:
        made = make_dataclass(
            name,
            [(k, hint, field(default_factory=lambda h=hint: _default(h))) for k, hint in fields.items()],  # type: ignore[misc]
        )
    made.__module__ = __name__
    return made


def _default(hint: Any) -> Any:
    origin = getattr(hint, "__origin__", hint)
    return getattr(origin, "__origin__", origin)()


def get(state: Any, key: str) -> Any:
    """A key of the node's input: a dict (also from a Send), or an instance of the schema."""
    return state[key] if isinstance(state, dict) else getattr(state, key)


# -- building ------------------------------------------------------------------------------------


def build(e: Engine, spec: GraphSpec) -> Any:
    """The compiled graph of a spec for one engine."""
    from .random_nodes import make_node, make_router

    schema = state_class(e, spec.state, spec.reducer, spec.messages)
    builder = e.StateGraph(schema)
    for node in spec.nodes:
        child = build(e, node.child) if node.child is not None else None
        body = make_node(e, node, spec, schema, child)
        builder.add_node(node.name, body, defer=node.defer)
        router = make_router(e, node)
        if router is not None:
            builder.add_conditional_edges(node.name, *router)
    for name in spec.starts:
        builder.add_edge(e.START, name)
    for edge in spec.edges:
        builder.add_edge(*edge)
    for sources, target in spec.joins:
        builder.add_edge(list(sources), target)
    if spec.start_router:

        def begin(state: Any) -> list[str]:
            e.get_stream_writer()({"lane": "START", "len": len(get(state, "items"))})
            return list(spec.start_router)

        builder.add_conditional_edges(e.START, begin, list(spec.start_router))
    return builder.compile()


def run(e: Engine, spec: GraphSpec, *, use_async: bool | None = None, **options: Any) -> Recorded:
    """One run with the spec's input, limit and modes (all modes and subgraphs, if not told else)."""
    return record(
        e.runnable(build(e, spec)),
        INPUT,
        options.pop("modes", spec.modes),
        use_async=spec.needs_async if use_async is None else use_async,
        config={"recursion_limit": spec.limit},
        **options,
    )


def calls_with_classes(spec: GraphSpec) -> bool:
    """Whether a node calls a graph itself whose state is a pydantic model or a dataclass."""
    children = [(node.kind, node.child) for node in spec.nodes if node.child is not None]
    return any((kind == "call" and child.state != "typed") or calls_with_classes(child) for kind, child in children)


def without_inputs(recorded: Recorded) -> Recorded:
    """Without the inputs of child graphs' tasks.

    A client cannot know the classes of a graph that is called inside of a node's body: on a cluster such inputs are
    plain dicts (docs/differences.md).
    """
    items = []
    for item in recorded.items:
        payload = item.payload
        if item.ns and item.mode == "tasks":
            payload = {key: value for key, value in payload.items() if key != "input"}
        elif item.ns and item.mode == "debug":
            inner = {key: value for key, value in payload["payload"].items() if key != "input"}
            payload = {**payload, "payload": inner}
        items.append(replace(item, payload=payload))
    return Recorded(items, recorded.error)


def as_code(spec: GraphSpec) -> str:
    """Code that makes the spec and both streams again, for the message of a failed test."""
    return (
        "from tests.differential.random_graphs import *\n"
        "from tests.differential.compare import difference\n"
        "from tests.differential.engines import DRUMLINE, LANGGRAPH\n\n"
        f"spec = {spec!r}\n"
        "print(difference(run(LANGGRAPH, spec), run(DRUMLINE, spec)))\n"
    )


async def pause() -> None:
    """Give other tasks of the loop a turn."""
    await asyncio.sleep(0)
