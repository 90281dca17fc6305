"""A run of any length: its log is cut at marks. Who reads, recovers or comes late finds what it needs, or is told."""

from __future__ import annotations

import operator
import re
from typing import Annotated, Any

import pytest
from tests.coordinator.seat import Seat
from tests.coordinator.test_named import LARGE
from tests.coordinator.test_partition import BIG, events, item
from tests.coordinator.test_run import START, graph, node
from typing_extensions import TypedDict

from drumline.cluster.late import LateStart
from drumline.cluster.position import BEGINNING, Position, parse_position
from drumline.cluster.reader import RunReader
from drumline.errors import LogTrimmed
from drumline.views import View
from drumline_graph.builder import StateGraph
from drumline_graph.compile import compile_program
from drumline_graph.constants import INTERRUPT
from drumline_graph.types import Interrupt
from drumline_protocol import wire
from drumline_protocol.heads import MARKS, heads_in, trimmed_to
from drumline_protocol.messages import TaskInterrupt, TaskMessage
from drumline_protocol.named import move_out

BOUND = 100_000
#: facts of a run that is long
LONG = 100_000
#: events of one message, and what each of them says
BURST, TOLD = 500, "one event of very many"


class Link:
    """As much of a client's link as a late start uses."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat

    def broker(self) -> Any:
        return self.seat.broker

    def partition(self, _run_id: str) -> int:
        return 0

    def record(self, run_id: str) -> dict[str, bytes]:
        return self.seat.broker.load_run(0, run_id)


def join(
    seat: Seat, start: Position = BEGINNING, *modes: str, newest: bool = False
) -> tuple[RunReader, list[tuple[Any, Position]]]:
    """A reader that joins now, and what it is given first."""
    late = LateStart(Link(seat), "r1", seat.codec, start, newest)  # type: ignore[arg-type]
    late.look()
    modes = modes or ("custom",)
    view = View(modes, listed=True, outputs=True, decode_item=lambda data: wire.decode_item(seat.codec, data))
    reader = RunReader(
        "r1",
        view,
        seat.codec,
        modes,
        start=start,
        gap=late.gap,
        read_values=lambda cells, blobs: seat.broker.read_values(0, cells, blobs),
    )
    return reader, late.enter(reader)


def rest(seat: Seat, reader: RunReader, count: int = 10**6) -> list[tuple[Any, Position]]:
    return reader.feed(seat.broker.log_reader(0, "r1").read(reader.after, count, 0))


def talk(seat: Seat, task: TaskMessage, count: int, said: int = 0) -> int:
    """A task emits, burst by burst; how many events it has emitted."""
    for n in range(said, said + count, BURST):
        seat.say(events(task, n, *(item(seat, f"{TOLD} {n + i}") for i in range(BURST))))
        seat.turn()
    return said + count


def log_bytes(seat: Seat) -> int:
    return sum(len(entry.data) for entry in seat.broker.load_log(0, "r1"))


def test_a_run_of_any_length_goes_on_and_holds_no_more_than_its_bound() -> None:
    seat = Seat({"g": graph((START, "a"), ("a", "b"))}, log_bytes_max=BOUND)
    (task,) = seat.start()
    said, largest = 0, 0
    while said < LONG:
        said = talk(seat, task, 5_000, said)
        largest = max(largest, log_bytes(seat))
        if said % 25_000 == 0:
            seat.lease()  # a new owner goes on from the head
    assert largest < 1.5 * BOUND < LONG * len(TOLD)
    seat.say(seat.result(task, events=said))
    seat.settle()
    (task,) = seat.tasks()
    seat.say(seat.result(task))
    seat.settle()
    assert seat.end().status == "done"  # type: ignore[union-attr]
    # Then the output is there for who asks now
    reader, items = join(seat, BEGINNING, "values", newest=True)
    items += rest(seat, reader)
    assert items[-1][0] == ("values", {"l": ["i", "x", "x"]}) and reader.ended


def test_a_head_tells_what_the_one_task_asks_that_asks() -> None:
    # Given a run of two tasks: one of them asks, the other emits so much that a head is written
    seat = Seat({"g": graph((START, "a"), (START, "b"))}, log_bytes_max=BOUND)
    asking, talking = seat.start()
    questions = (Interrupt("go on?", id="i1"),)
    seat.say(TaskInterrupt("r1", asking.task, asking.attempt, "w1", seat.codec.box([*questions]), asking.token, 0))
    seat.settle()
    asked = len(seat.facts())
    said = talk(seat, talking, 10_000)
    # When somebody wants the output who comes now
    reader, items = join(seat, BEGINNING, "values", newest=True)
    assert heads_in(seat.broker.load_run(0, "r1"))[0].fact > asked, "the head was written behind the question"
    # Then it is told the question, and the state in which it was asked
    assert [item for item, _ in items] == [
        ("values", {"l": ["i"]}),
        ("values", {"l": ["i"], INTERRUPT: questions}),
    ]
    seat.say(seat.result(talking, events=said))
    seat.settle()
    assert [item for item, _ in rest(seat, reader)] == [("values", {"l": ["i", "x"]})] and reader.ended
    whole, _ = join(seat, BEGINNING, "values")
    with pytest.raises(LogTrimmed):
        rest(seat, whole)


def test_a_reader_is_told_what_is_left_and_can_go_on_there() -> None:
    seat = Seat({"g": graph((START, "a"))}, log_bytes_max=BOUND)
    (task,) = seat.start()
    said = talk(seat, task, BURST)
    slow, _ = join(seat)
    seen = rest(seat, slow)
    # When the log is trimmed under a reader that is in the middle of it
    said = talk(seat, task, 20_000, said)
    trimmed = trimmed_to(seat.broker.load_run(0, "r1"))
    assert trimmed > len(seen)
    for late in (
        lambda: rest(seat, slow),
        lambda: rest(seat, join(seat)[0]),
        lambda: rest(seat, join(seat, seen[-1][1])[0]),
    ):
        with pytest.raises(LogTrimmed) as caught:
            late()
        error = caught.value
        assert error.found == trimmed + 1 and error.wanted <= error.found
    # Then it can go on where it is told, and gets all that is left, in order
    reader, _ = join(seat, parse_position(error.position, "r1"))
    items = rest(seat, reader)
    assert [text for (_, text), _ in items] == [f"{TOLD} {n}" for n in range(said - len(items), said)]
    assert len(items) > BOUND / 2 / (2 * len(TOLD))
    # And behind each position of what is left nothing is missed
    for index in (0, len(items) // 2, len(items) - 2):
        again, _ = join(seat, items[index][1])
        assert rest(seat, again) == items[index + 1 :]


def test_what_came_before_the_cut_is_not_taken_for_a_repeat() -> None:
    """Part of what a task emitted is gone. When it runs again, a late reader cannot leave out what repeats it, and is
    told; it must not leave out what only looks so.
    """
    seat = Seat({"g": graph((START, "a"))}, log_bytes_max=BOUND)
    (task,) = seat.start()
    said = talk(seat, task, 20_000)
    position = parse_position(_earliest(seat), "r1")
    reader, _ = join(seat, position)
    seen = len(rest(seat, reader))
    first = f"{TOLD} {said - seen}"
    seat.say(seat.result(task, events=said + 1))  # an event was lost: the attempt is void
    seat.settle()
    (again,) = seat.tasks()
    seat.say(events(again, 0, item(seat, first), item(seat, "news")))
    seat.settle()
    with pytest.warns(UserWarning, match="may come twice"):
        items = rest(seat, reader)
    assert [text for (_, text), _ in items] == [first, "news"]


def _earliest(seat: Seat) -> str:
    error = LateStart(Link(seat), "r1", seat.codec, BEGINNING).gap(1, 2)  # type: ignore[arg-type]
    assert isinstance(error, LogTrimmed)
    return error.position


class Wide(TypedDict, total=False):
    l: Annotated[list[Any], operator.add]  # noqa: E741
    whole: Any


def wide() -> Any:
    """Two nodes in turns; a key whose value is replaced as a whole."""
    builder = StateGraph(Wide)
    builder.add_node("a", node).add_node("b", node)
    builder.add_edge(START, "a").add_edge("a", "b").add_edge("b", "a")
    return compile_program(builder)


@pytest.mark.parametrize("takeovers", [False, True])
def test_cells_and_blobs_go_with_the_log_and_stay_for_the_marks(takeovers: bool) -> None:
    seat = Seat({"g": wide()}, log_bytes_max=20_000)
    (task,) = seat.start(recursion_limit=10**6, input={"l": [BIG]})
    part = seat.server.partitions[0]
    blobs = []
    for turn in range(300):
        writes: list[Any] = [("l", [f"{turn}", *LARGE] if turn % 3 == 0 else ["y" * 300])]
        if turn % 90 == 0:
            writes.append(("whole", [turn, *LARGE]))  # a cell that is a blob, and stays one over many marks
        named, puts = move_out(seat.codec, writes, f"r1:nonce-{turn}-")
        seat.broker.put_blobs([(0, blob, data) for blob, data in puts])
        edges = seat.apps.programs["g"].nodes[task.node].edges
        seat.say(seat.result(task, writes=seat.codec.box([*map(list, named), *map(list, edges)])))
        seat.settle()
        (task,) = seat.tasks()
        blobs.append(len(part.blobs))
        if takeovers and turn % 7 == 0:
            seat.lease()
        if turn % 10 == 9:
            _all_heads_can_be_read(seat, turn)
    assert trimmed_to(seat.broker.load_run(0, "r1")) > 100
    assert max(blobs[200:]) <= max(blobs[:150]), "no blob stays that nothing names"


def _all_heads_can_be_read(seat: Seat, turn: int) -> None:
    """Whoever begins at the newest head or at a mark has the whole state, with all that it names."""
    record = seat.broker.load_run(0, "r1")
    heads = heads_in(record)
    assert {name for name in MARKS if name in record} <= set(MARKS)
    for head in heads:
        reader, _ = join(seat, Position(head.fact, 0, head.epoch, True), "values", "tasks")
        assert reader.after == head.at, f"turn {turn}: the head at {head.at} cannot be read"
        rest(seat, reader)
        root = reader.view.root
        assert root is not None
        assert len(root.values()["l"]) >= turn + 1 and root.values()["whole"] == [turn - turn % 90, *LARGE]


def test_a_run_that_is_bounded_is_not_taken_for_damaged() -> None:
    seat = Seat({"g": graph((START, "a"))}, log_bytes_max=BOUND)
    (task,) = seat.start()
    talk(seat, task, 20_000)
    runs = seat.partition._runs
    assert not runs.is_damaged("r1")
    log = seat.server.partitions[0].logs["r1"]
    log.trim(log._ids[3])
    assert runs.is_damaged("r1"), "more is gone than was trimmed"
    assert re.fullmatch(r"\d+-\d+", seat.broker.load_run(0, "r1")["trimmed"].decode())
