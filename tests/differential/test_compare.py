"""The comparator itself: it must forgive races, and nothing else.

A real LangGraph stream (parallel nodes, a subgraph, two Sends to one node, custom events) is
changed by hand; legal interleavings must compare equal, every other change must be reported.
"""

import operator
import random
from typing import Annotated, Any, TypedDict

import pytest

from .compare import canonical_lines, difference, exact_difference
from .engines import LANGGRAPH, Engine
from .harness import record
from .normal import Item, Recorded


class Child(TypedDict):
    log: Annotated[list, operator.add]


def build(e: Engine) -> Any:
    def node(name: str) -> Any:
        def run(state: Any, writer: e.StreamWriter) -> dict[str, Any]:
            writer({"lane": name, "k": 1})
            writer({"lane": name, "k": 2, "saw": len(state["log"])})
            return {"log": [name]}

        return run

    child = (
        e.StateGraph(Child)
        .add_node("c1", node("c1"))
        .add_node("c2", node("c2"))
        .add_edge(e.START, "c1")
        .add_edge(e.START, "c2")
        .compile()
    )
    sends = [e.Send("w", {"log": [i] * i}) for i in (1, 2)]
    return (
        e.StateGraph(Child)
        .add_node("a", node("a"))
        .add_node("b", node("b"))
        .add_node("sub", child)
        .add_node("w", node("w"))
        .add_node("z", node("z"))
        .add_edge(e.START, "a")
        .add_edge(e.START, "b")
        .add_edge(e.START, "sub")
        .add_conditional_edges("a", lambda _: sends, ["w"])
        .add_edge("b", "z")
        .compile()
    )


@pytest.fixture(scope="module")
def stream() -> Recorded:
    return record(build(LANGGRAPH), {"log": ["i"]})


def _owner(item: Item) -> Any:
    """Which lane of the race an item belongs to: its outermost task; None for barriers."""
    payload = item.payload["payload"] if item.mode == "debug" else item.payload
    if item.ns:
        return item.ns[0].split(":")[0]
    if item.mode == "values" or "triggers" in payload:
        return None
    if item.mode == "updates":
        return next(iter(payload))
    return payload.get("lane") or payload.get("name")


def shuffled(stream: Recorded, seed: int) -> Recorded:
    """Another interleaving that the rules allow: between two barriers the lanes are merged at
    random.
    """
    rng, items, run = random.Random(seed), [], []

    def flush() -> None:
        lanes: dict[Any, list[Item]] = {}
        for item in run:
            lanes.setdefault(_owner(item), []).append(item)
        order = [lane for lane, own in lanes.items() for _ in own]
        rng.shuffle(order)
        items.extend(lanes[lane].pop(0) for lane in order)
        run.clear()

    for item in stream.items:
        if _owner(item) is None:
            flush()
            items.append(item)
        else:
            run.append(item)
    flush()
    return Recorded(items, stream.error)


def find(stream: Recorded, mode: str, name: str, *, nth: int = 0, root: bool = True) -> int:
    """Index of the nth item of this mode whose lane (or first updated node) is `name`."""
    hits = [
        i
        for i, item in enumerate(stream.items)
        if item.mode == mode and bool(item.ns) != root and name in str(item.payload)
    ]
    return hits[nth]


@pytest.mark.parametrize("seed", range(20))
def test_any_legal_interleaving_is_equal(stream: Recorded, seed: int) -> None:
    assert difference(stream, shuffled(stream, seed)) is None


def test_another_run_with_other_ids_is_equal(stream: Recorded) -> None:
    again = record(build(LANGGRAPH), {"log": ["i"]})
    assert {i.payload["id"] for i in again.items if i.mode == "tasks"}.isdisjoint(
        {i.payload["id"] for i in stream.items if i.mode == "tasks"}
    )
    assert difference(stream, again) is None


def test_lines_name_tasks_by_place(stream: Recorded) -> None:
    lines = canonical_lines(stream)
    assert "    graph sub:sub#1" in lines or any("graph sub:" in line for line in lines)
    assert any("task w#2" in line for line in lines)
    assert not any("<id" in line for line in lines)


def _drop(items: list[Item], index: int) -> None:
    del items[index]


def _double(items: list[Item], index: int) -> None:
    items.insert(index, items[index])


@pytest.mark.parametrize("change", [_drop, _double])
def test_every_lost_or_doubled_item_is_reported(stream: Recorded, change: Any) -> None:
    for index in range(len(stream.items)):
        items = list(stream.items)
        change(items, index)
        assert difference(stream, Recorded(items)) is not None, stream.items[index]
        assert exact_difference(stream, Recorded(items)) is not None


def test_every_item_before_its_own_predecessor_is_reported(stream: Recorded) -> None:
    """Swapping two neighbours of one lane, or anything with a barrier, breaks a rule."""
    swaps = 0
    for index in range(len(stream.items) - 1):
        items = list(stream.items)
        one, two = items[index], items[index + 1]
        items[index : index + 2] = [two, one]
        same_task = one.ns == two.ns and _task_of(one) == _task_of(two) != "w"
        barrier = _owner(one) is None or _owner(two) is None
        twin = {one.mode, two.mode} == {"tasks", "debug"} and "triggers" not in str(one.payload)
        if (same_task or barrier) and not (twin and not same_task):
            swaps += 1
            assert difference(stream, Recorded(items)) is not None, (one, two)
    assert swaps > 10


def _task_of(item: Item) -> Any:
    payload = item.payload["payload"] if item.mode == "debug" else item.payload
    if item.mode == "updates":
        return next(iter(payload))
    return payload.get("lane") or payload.get("name")


@pytest.mark.parametrize(
    "payload",
    [
        {"a": {"log": ("a",)}},
        {"a": {"log": ["b"]}},
        {"a": {"log": [b"a"]}},
        {"a": {}},
        {"a": None},
        {"b": {"log": ["a"]}},
        {"a": {"log": ["a"]}, "b": None},
    ],
)
def test_changed_update_is_reported(stream: Recorded, payload: Any) -> None:
    items = list(stream.items)
    index = find(stream, "updates", "'a'")
    items[index] = Item((), "updates", payload)
    found = difference(stream, Recorded(items))
    assert found is not None
    assert "updates {'a': {'log': ['a']}}" in found


def test_changed_kind_of_number_is_reported(stream: Recorded) -> None:
    items = list(stream.items)
    index = find(stream, "custom", "'lane': 'b', 'k': 1")
    items[index] = Item((), "custom", {"lane": "b", "k": True})
    assert difference(stream, Recorded(items)) is not None


def test_key_order_is_reported() -> None:
    one = Recorded.of([((), "values", {"a": 1, "b": 2})])
    two = Recorded.of([((), "values", {"b": 2, "a": 1})])
    assert difference(one, two) is not None


def test_wrong_namespace_is_reported(stream: Recorded) -> None:
    for index, item in enumerate(stream.items):
        items = list(stream.items)
        items[index] = Item((), item.mode, item.payload)
        assert not item.ns or difference(stream, Recorded(items)) is not None, item


def test_task_ids_must_link_start_and_result(stream: Recorded) -> None:
    items = list(stream.items)
    index = find(stream, "tasks", "'result': {'log': ['b']}")
    payload = items[index].payload | {"id": "00000000-0000-0000-0000-000000000000"}
    items[index] = Item((), "tasks", payload)
    assert difference(stream, Recorded(items)) is not None


def test_late_child_event_is_reported(stream: Recorded) -> None:
    items = list(stream.items)
    last_child = max(i for i, item in enumerate(items) if item.ns)
    items.append(items.pop(last_child))
    assert difference(stream, Recorded(items)) is not None
    items = list(stream.items)
    after_update = find(stream, "updates", "'sub'")
    items.insert(after_update, items.pop(last_child))
    assert difference(stream, Recorded(items)) is not None


def test_two_levels_deep_task_is_one_tree() -> None:
    """Events of a grandchild lie inside the child's task, which lies inside the parent's."""
    grandchild = (
        LANGGRAPH.StateGraph(Child).add_node("g", lambda _: {"log": ["g"]}).add_edge(LANGGRAPH.START, "g").compile()
    )
    child = LANGGRAPH.StateGraph(Child).add_node("c", grandchild).add_edge(LANGGRAPH.START, "c").compile()
    graph = LANGGRAPH.StateGraph(Child).add_node("p", child).add_edge(LANGGRAPH.START, "p").compile()
    one, two = record(graph, {"log": []}), record(graph, {"log": []})
    assert difference(one, two) is None
    lines = canonical_lines(one)
    depths = [len(line) - len(line.lstrip()) for line in lines if "graph " in line]
    assert len(depths) == 2
    assert depths[0] < depths[1]


def failing(e: Engine) -> Any:
    def boom(_: Any) -> None:
        raise ValueError("boom")

    return (
        e.StateGraph(Child)
        .add_node("boom", boom)
        .add_node("ok", lambda _: {"log": ["ok"]})
        .add_edge(e.START, "boom")
        .add_edge(e.START, "ok")
        .compile()
    )


def test_sibling_of_a_failed_task_may_be_cut_short_but_not_differ() -> None:
    whole = record(failing(LANGGRAPH), {"log": []})
    assert isinstance(whole.error, ValueError)
    without = Recorded(
        [
            i
            for i in whole.items
            if not (i.mode != "values" and "'ok'" in str(i.payload) and "triggers" not in str(i.payload))
        ],
        whole.error,
    )
    assert difference(whole, without) is None
    other_text = Recorded(whole.items, ValueError("bang"))
    assert "bang" in (difference(whole, other_text) or "")
    assert difference(whole, Recorded(whole.items)) is not None
    assert difference(whole, Recorded(whole.items, TypeError("boom"))) is not None


def test_wrong_result_of_a_failed_task_is_reported() -> None:
    whole = record(failing(LANGGRAPH), {"log": []})
    items = [
        Item(i.ns, i.mode, i.payload | {"result": {"log": [1]}})
        if i.mode == "tasks" and "error" in i.payload and i.payload["error"]
        else i
        for i in whole.items
    ]
    assert difference(whole, Recorded(items, whole.error)) is not None


def test_which_of_two_failures_comes_first_is_a_race() -> None:
    """Both may be the one that is reported; a stream in which neither failed differs."""

    def boom(name: str) -> Any:
        def run(_: Any) -> Any:
            raise ValueError(name)

        return run

    builder = LANGGRAPH.StateGraph(Child)
    for name in "ab":
        builder.add_node(name, boom(name)).add_edge(LANGGRAPH.START, name)
    whole = record(builder.compile(), {"log": []})
    starts = [item for item in whole.items if "error" not in str(item.payload)]

    def failed(name: str) -> Recorded:
        result = {"id": "", "name": name, "error": ValueError(name), "result": {}, "interrupts": []}
        (start,) = (i for i in starts if i.mode == "tasks" and i.payload["name"] == name)
        item = Item((), "tasks", result | {"id": start.payload["id"]})
        return Recorded([*starts, item], ValueError(name))

    assert difference(failed("a"), failed("b")) is None
    assert difference(failed("a"), Recorded(failed("a").items, ValueError("b"))) is not None
    for one, two in [(failed("a"), Recorded(starts)), (Recorded(starts), failed("a"))]:
        assert difference(one, two) is not None
