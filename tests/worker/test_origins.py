"""Arguments of Sends that name what their task was handed: found, proved, made again; and when they may not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from tests.worker.stand import Stand

from drumline_graph.constants import TASKS
from drumline_graph.delta import patch
from drumline_graph.program import Node
from drumline_graph.types import Send
from drumline_protocol import wire
from drumline_protocol.cells import CellAt, CellRow, cell_name
from drumline_protocol.codec import Boxed, Codec, unbox
from drumline_protocol.codec_builtin import ext
from drumline_protocol.codec_derived import DERIVED_CODE, Derived, Hole, open_derived
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.errors import DecodeError
from drumline_protocol.limits import HOLES_MAX, NAMED_BYTES_MIN
from drumline_protocol.messages import RunShared, TaskError, TaskResult
from drumline_protocol.named import Named
from drumline_protocol.seen_cells import Seen, seen_at
from drumline_transport.cell_cache import Cache
from drumline_transport.memory_streams import Stream
from drumline_worker.likeness import UNLIKE, difference
from drumline_worker.origins import Origins
from drumline_worker.results import Results


@dataclass
class Seat:
    """A state of a user's own class."""

    messages: list[Any]
    note: str = ""


@dataclass
class Odd:
    """An item that is not cloned."""

    text: str


CODEC = Codec(TypeTable().with_types([Seat, Odd]))
AT = CellAt(":messages", 7, 3)
LARGE = 1 << 20


def chat(count: int = 40) -> list[Any]:
    return [HumanMessage(f"{n}".ljust(100, "."), id=str(n), additional_kwargs={"k": [n]}) for n in range(count)]


class Handed:
    """A task that was handed a value under a name, and what its Sends become."""

    def __init__(self, value: Any, *, known: bool = True, at: CellAt | Named = AT) -> None:
        rows = [CellRow(7, 0, CODEC.encode(value))]
        self.at = at
        seen, self.value = seen_at(CODEC, None, rows, CellAt(":messages", 7, 7), LARGE)
        if known:  # from the second time on the decoded value is kept
            seen, self.value = seen_at(CODEC, seen, (), CellAt(":messages", 7, 7), LARGE)
        self.seen = seen
        self.origins = Origins(CODEC, NODES)
        self.origins.add(at, seen, self.value)

    def sent(self, arg: Any, node: str = "tool") -> Any:
        [(_, send)] = self.origins.in_writes([(TASKS, Send(node, arg))])
        return send.arg

    def made(self, arg: Derived) -> Any:
        """What a worker makes of an argument that crossed."""
        crossed = CODEC.decode(CODEC.encode(arg))
        assert crossed == arg

        def fill(number: int, change: Any) -> Any:
            assert crossed.origins[number] == self.at
            value = seen_at(CODEC, self.seen, (), CellAt(":messages", 7, 7), LARGE)[1]
            return value if change is None else patch(value, change)

        return open_derived(crossed, fill)

    def check(self, arg: Any, size_max: int = 800) -> Derived:
        """The argument is sent as a name, and what is made of it has the very bytes of the argument."""
        before = CODEC.encode(arg)
        derived = self.sent(arg)
        assert type(derived) is Derived, derived
        assert len(CODEC.encode(derived)) < size_max
        assert CODEC.encode(self.made(derived)) == before
        return derived


def node(name: str, subprogram: Any = None) -> Node:
    return replace(Stand().program.nodes["node"], name=name, subprogram=subprogram)


NODES = {"tool": node("tool"), "graph": node("graph", subprogram=Stand().program)}
BOTH = pytest.mark.parametrize("known", [True, False], ids=["decoded", "as bytes"])


@BOTH
def test_a_value_that_was_read_is_named_at_any_depth(known: bool) -> None:
    for shape in (
        lambda value: value,
        lambda value: {"state": {"messages": value}, "call": 1},
        lambda value: ["x", ({"deep": value},), value],
        lambda value: Seat(value, "n"),
        lambda value: {"seat": Seat(value, "n")},
    ):
        handed = Handed(chat(), known=known)
        derived = handed.check(shape(handed.value))
        assert derived.cells == [AT]


@BOTH
def test_what_was_changed_since_travels_as_a_change(known: bool) -> None:
    for change in (
        lambda value: [*value, AIMessage("new", id="new")],
        lambda value: value[5:],
        lambda value: value[:-5],
        lambda value: [*value[:3], *value[5:]],
        lambda value: [*value[:3], HumanMessage("other", id="3"), *value[4:]],
    ):
        handed = Handed(chat(), known=known)
        handed.check({"state": {"messages": change(handed.value)}})


@BOTH
def test_what_was_changed_in_place_is_not_taken_for_what_was_read(known: bool) -> None:
    def append(value: list[Any]) -> None:
        value.append("more")

    def put(value: list[Any]) -> None:
        value[3].additional_kwargs["k"].append("spoiled")

    def replace(value: list[Any]) -> None:
        value[4].content = "other"

    def of_another_type(value: list[Any]) -> None:
        value[5].additional_kwargs["k"] = [True, 1.0]

    for spoil in (append, put, replace, of_another_type):
        handed = Handed(chat(), known=known)
        spoil(handed.value)
        derived = handed.check({"messages": handed.value})
        assert b"%" in derived.box.data
        # and nothing of it reaches the value that others are given
        other = seen_at(CODEC, handed.seen, (), CellAt(":messages", 7, 7), LARGE)[1]
        assert CODEC.encode(other) == CODEC.encode(chat())


def test_too_much_that_is_other_is_sent_as_it_is() -> None:
    handed = Handed(chat())
    for message in handed.value:
        message.content = "spoiled"
    arg = {"messages": handed.value}
    assert handed.sent(arg) is arg
    assert handed.sent(arg := {"messages": chat(3)}) is arg
    assert handed.sent(arg := {"n": 1, "text": "x"}) is arg


def test_dicts_texts_and_objects() -> None:
    files = {f"f{n}": "x" * 50 + str(n) for n in range(30)}
    handed = Handed(files)
    handed.check({"files": handed.value})
    handed.check({"files": {**handed.value, "new": "y"}})
    handed.check({"files": {**handed.value, "f3": "y"}})
    arg = {"files": {"new": "y", **handed.value}}  # other keys first: no change tells of that
    assert handed.sent(arg) is arg
    handed = Handed("text " * 200)
    handed.check([handed.value, handed.value + "more"])
    arg = {"text": "other " + handed.value}
    assert handed.sent(arg) is arg
    handed = Handed(Seat(chat()), known=False)
    handed.check({"seat": handed.value})
    handed = Handed([Odd(f"text {n}".ljust(60)) for n in range(20)], known=False)
    handed.check({"items": [*handed.value, Odd("new")]})
    handed.check({"items": handed.value[4:]})
    handed.value[2].text = "other"
    handed.check({"items": handed.value})


def test_keys_and_numbers_that_are_equal_are_not_the_same() -> None:
    for one, other in ((1, True), (1, 1.0), (0.0, -0.0), ("a", b"a"), ({1}, {True}), ((1,), [1])):
        assert difference(CODEC, [one, "x"], [other, "x"]) is not None
        assert difference(CODEC, {"k": one}, {"k": other}) is not None
    assert difference(CODEC, {1: "a"}, {True: "a"}) is UNLIKE
    assert difference(CODEC, {"a": 1, "b": 2}, {"b": 2, "a": 1}) is UNLIKE
    nan = float("nan")
    assert difference(CODEC, [nan, 1], [nan, 1]) is None


def test_a_node_that_is_a_graph_gets_its_argument_whole() -> None:
    handed = Handed(chat())
    arg = {"messages": handed.value}
    assert handed.sent(arg, "graph") is arg
    assert handed.sent(arg, "unknown") is arg


def test_what_was_read_from_a_blob_is_named_by_it_again() -> None:
    handed = Handed(chat(), at=Named("run:1-1", 5000))
    derived = handed.check({"messages": handed.value})
    assert derived.origins == (Named("run:1-1", 5000),) and not derived.cells


def test_a_value_whose_encoder_raises_is_told_by_whoever_writes_it() -> None:
    handed = Handed(chat())
    arg = {"messages": handed.value, "odd": object()}
    assert handed.sent(arg) is arg


def test_holes_are_bounded_and_stand_in_arguments_only() -> None:
    handed = Handed(chat())
    many = [handed.value] * (HOLES_MAX + 5)
    derived = handed.sent(many)
    assert derived.box.data.count(b"\x25") >= HOLES_MAX
    with pytest.raises(DecodeError, match="hole"):
        CODEC.decode(CODEC.encode([Hole(0)]))
    forged = Derived((AT,), Boxed(CODEC.encode([Hole(0)] * (HOLES_MAX + 1)), CODEC))
    with pytest.raises(DecodeError, match="more holes"):
        open_derived(forged, lambda _number, _change: None)
    for bad in (Hole(1), Hole(-1), Hole(0, ("?",)), Hole(0, ("+",))):
        with pytest.raises(DecodeError):
            open_derived(Derived((AT,), Boxed(CODEC.encode([bad]), CODEC)), lambda _number, _change: None)
    for origins in ([["c", 1]], [["c", 1, 2]], [["c", 1, 0]], [3], [["c", "1", 1]]):
        with pytest.raises(DecodeError):
            CODEC.decode(CODEC.encode(ext(DERIVED_CODE, CODEC.encode([origins, Boxed(b"\x90", CODEC)]))))


def test_the_version_before_the_newest_is_kept() -> None:
    """A task of a Send reads what its sender did, beside tasks that read what came of it."""
    cache = Cache(LARGE)
    first = CellRow(1, 0, CODEC.encode(chat()))
    seen, _ = seen_at(CODEC, None, [first], CellAt(":m", 1, 1), LARGE)
    seen, _ = seen_at(CODEC, seen, (), CellAt(":m", 1, 1), LARGE)
    cache.put("m", seen)
    delta = CellRow(2, 1, CODEC.encode(["+", [HumanMessage("new")]]))
    newer, value = seen_at(CODEC, seen, [delta], CellAt(":m", 2, 1), LARGE)
    cache.put("m", newer)
    assert len(value) == 41
    found = cache.get("m", CellAt(":m", 1, 1))
    assert found is not None and found.version == 1 and found.former is None
    assert len(seen_at(CODEC, found, (), CellAt(":m", 1, 1), LARGE)[1]) == 40
    assert cache.get("m", CellAt(":m", 2, 2)) is None or cache.get("m", CellAt(":m", 2, 2)).version == 2  # type: ignore[union-attr]


# -- through a whole worker -------------------------------------------------------------------------


def names(stand: Stand) -> Any:
    row = wire.to_row(RunShared("run", "g", stand.program.fingerprint, 0, {}, None, (), True, names=True))
    return stand.codec.box(row)


def put(stand: Stand, value: Any, version: int = 1) -> None:
    rows: Stream[tuple[int, bytes]] = stand.server.partition(0).cells.setdefault(("run", ":n"), Stream())
    rows.append((version, 0), (0, stand.codec.encode(value)))


def test_through_a_worker() -> None:
    seen: list[Any] = []

    def run(state: Any) -> Any:
        if "seen" in state:
            seen.append(state["seen"])
            state["seen"].append("spoiled")
        return {"out": len(state["n"]) if "n" in state else 0}

    stand = Stand(run)
    put(stand, chat())
    at = CellAt(cell_name((), "n"), 1, 1)
    arg = Derived((at,), Boxed(stand.codec.encode({"seen": Hole(0, ("+", ["more"])), "again": Hole(0)}), stand.codec))
    stand.give(shared=names(stand), cells={}, path=("__pregel_push", 0, False), arg=arg)
    stand.give(2, shared=names(stand), cells={}, path=("__pregel_push", 0, False), arg=arg)
    assert [type(answer) for answer in stand.work()] == [TaskResult, TaskResult]
    assert [len(found) for found in seen] == [42, 42] and seen[0][0] is not seen[1][0]


def test_a_version_that_is_gone_fails_the_task() -> None:
    stand = Stand()
    arg = Derived((CellAt(":n", 4, 4),), Boxed(stand.codec.encode(Hole(0)), stand.codec))
    stand.give(shared=names(stand), cells={}, path=("__pregel_push", 0, False), arg=arg)
    [answer] = stand.work()
    assert type(answer) is TaskError and "version 4 of cell ':n'" in str(answer.error)


def test_bytes_of_an_argument_that_are_many_lie_in_a_blob() -> None:
    """The rest of an argument is large too: it is put once, and the argument says so."""
    stand = Stand()
    put(stand, chat())
    codec = stand.codec
    origins = Origins(codec, NODES)
    rows = [CellRow(1, 0, codec.encode(chat()))]
    seen: Seen
    seen, value = seen_at(codec, None, rows, CellAt(":n", 1, 1), LARGE)
    origins.add(CellAt(":n", 1, 1), seen, value)
    [write] = origins.in_writes([(TASKS, Send("tool", {"seen": value, "own": "x" * (2 * NAMED_BYTES_MIN)}))])
    box, blobs = Results("nonce").boxed(codec, [write], "run", "node")
    assert len(box.data) < 400 and len(blobs) == 1
    arg = unbox(box)[0][1].arg
    assert type(arg) is Derived and type(arg.box) is Named
    stand.server.partition(0).blobs[blobs[0][0]] = blobs[0][1]
    got: list[Any] = []
    other = Stand(lambda state: got.append(state) or {"out": 1})
    other.server.partition(0).blobs[blobs[0][0]] = blobs[0][1]
    put(other, chat())
    other.give(shared=names(other), cells={}, path=("__pregel_push", 0, False), arg=arg)
    assert [type(answer) for answer in other.work()] == [TaskResult]
    assert len(got[0]["own"]) == 2 * NAMED_BYTES_MIN and len(got[0]["seen"]) == 40
