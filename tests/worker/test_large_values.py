"""Large values on their way through a worker: into its nodes, out of its results, and when they are gone."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from tests.worker.stand import Stand

from drumline_graph.constants import TASKS
from drumline_graph.types import Command, Send
from drumline_protocol import wire
from drumline_protocol.codec import unbox
from drumline_protocol.errors import BlobMissing, NoBroker
from drumline_protocol.limits import BLOB_UNNAMED_TTL_S, NAMED_BYTES_MIN, RESULT_INLINE_BYTES_MAX
from drumline_protocol.messages import Events, Refused, RunShared, TaskBubbled, TaskError, TaskResult
from drumline_protocol.named import Named, names_in, resolve
from drumline_transport.errors import ServerError
from drumline_transport.memory_streams import Stream
from drumline_worker.context import current
from drumline_worker.loop import LoopThread

BIG = "x" * (NAMED_BYTES_MIN + 1)
LIMIT_S = 20


def shared_of(stand: Stand, names: bool = True, run: str = "run") -> Any:
    return stand.codec.box(
        wire.to_row(RunShared(run, "g", stand.program.fingerprint, 0, {}, None, ("custom",), True, names=names))
    )


def give(stand: Stand, n: int = 1, *, names: bool = True, **changes: Any) -> str:
    return stand.give(n, shared=shared_of(stand, names), **changes)


def put_cell(stand: Stand, value: Any, cell: str = ":n", version: int = 1) -> None:
    rows: Stream[tuple[int, bytes]] = stand.server.partition(0).cells.setdefault(("run", cell), Stream())
    rows.append((version, 0), (0, stand.codec.encode(value)))


def values_of(stand: Stand, found: Any) -> dict[str, Any]:
    """What the broker has under the names in an answer."""
    blobs = stand.server.partition(0).blobs
    return {name.blob: stand.codec.decode(blobs[name.blob]) for name in names_in(found)}


def run_unsent(stand: Stand) -> None:
    """Run what is there; the answers wait in the outbox."""
    assert stand.worker.outbox.claim()
    stand.run(stand.take())


def send(stand: Stand) -> None:
    """As the sender does, once."""
    stand.worker.sender.gather()
    stand.worker.sender.send()


# -- into the node ----------------------------------------------------------------------------------


def spoiling(state: dict[str, Any]) -> dict[str, Any]:
    found = state["n"]
    seen = [(message.content, dict(message.additional_kwargs["k"])) for message in found]
    for message in found:
        message.content = "spoiled"
        message.additional_kwargs["k"]["spoiled"] = True
    found.append("spoiled")
    return {"out": seen}


async def aspoiling(state: dict[str, Any]) -> dict[str, Any]:
    return spoiling(state)


def in_threads(state: dict[str, Any]) -> dict[str, Any]:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(spoiling(state))) for _ in range(1)]
    for thread in threads:
        thread.start()
        thread.join()
    return dict(found[0])


@pytest.mark.parametrize("node", [spoiling, aspoiling, in_threads])
def test_what_a_node_does_to_a_value_never_reaches_the_next_task(node: Any) -> None:
    stand = Stand(node)
    loop = LoopThread("test")
    stand.worker.runner._loop = loop
    put_cell(stand, [HumanMessage("hello", id="1", additional_kwargs={"k": {"deep": 1}})])
    outs = []
    for n in range(1, 6):
        give(stand, n, cells={}, named={"n": (":n", 1, 1)})
        stand.run(stand.take())
        answered = threading.Event()
        while not answered.is_set():
            for _ in range(3):
                loop.submit(_nothing()).result(LIMIT_S)
            stand.send()
            said = stand.said()
            if said:
                outs.append(dict(map(tuple, unbox(said[0].writes)))["out"])
                answered.set()
    assert outs == [[("hello", {"deep": 1})]] * 5
    loop.close()


async def _nothing() -> None: ...


def test_a_named_argument_and_named_writes_are_in_their_places() -> None:
    stand = Stand(lambda state: {"out": state})
    for blob in ("a", "b"):
        stand.broker.put_blobs([(0, blob, stand.codec.encode({"n": blob}))])
    give(stand, 1, path=("__pregel_push", 0), arg=Named("a", 9), cells={})
    [answer] = stand.work()
    assert dict(map(tuple, unbox(answer.writes)))["out"] == {"n": "a"}
    give(stand, 2, phase="route", writes=[["out", Named("b", 9)]], cells={})
    [answer] = stand.work()
    assert unbox(answer.writes) == [["out", {"n": "b"}]]


def test_a_message_that_is_older_than_what_is_kept_is_given_back() -> None:
    stand = Stand()
    put_cell(stand, "newer", version=5)
    give(stand, 1, cells={}, named={"n": (":n", 4, 3)})
    [answer] = stand.work()
    assert isinstance(answer, Refused) and "older than what is kept" in answer.reason
    assert answer.token == "token 1" and stand.pending == 0 and len(stand.worker.table) == 0


def test_a_blob_that_is_gone_fails_its_task_alone() -> None:
    stand = Stand(lambda state: {"out": state["n"]})
    give(stand, 1, path=("__pregel_push", 0), arg=Named("gone", 9), cells={})
    give(stand, 2)
    failed, done = stand.work()
    assert isinstance(failed, TaskError) and "gone from the broker (blob gone)" in failed.error.message
    assert isinstance(done, TaskResult)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(NoBroker("memory://", "away"), Refused), (ServerError("ERR odd"), TaskError), (RuntimeError("bug"), TaskError)],
)
def test_a_read_that_fails_never_ends_the_worker(error: Exception, kind: type) -> None:
    stand = Stand()

    def read(*_: Any) -> Any:
        raise error

    stand.worker.values._read = read
    give(stand, 1, cells={}, named={"n": (":n", 1, 1)})
    give(stand, 2)
    first, second = stand.work()
    assert type(first) is kind and isinstance(second, TaskResult)


def test_a_cell_that_is_damaged_fails_its_task() -> None:
    stand = Stand()
    put_cell(stand, 1)
    rows = stand.server.partition(0).cells[("run", ":n")]
    rows.append((2, 0), (1, b"\xc1 junk"))
    give(stand, 1, cells={}, named={"n": (":n", 2, 1)})
    [answer] = stand.work()
    assert isinstance(answer, TaskError) and answer.error.class_name.endswith("DecodeError")


@pytest.mark.parametrize("named", [{"n": (":n", 1, 2)}, {"n": (":n", 0, 0)}, {"n": ("", 1)}, {"n": 7}, [1]])
def test_a_name_that_cannot_be_leaves_its_entry_to_the_coordinator(named: Any) -> None:
    stand = Stand()
    row = wire.to_row(stand.message(1))
    row[-1] = named if not isinstance(named, dict) else {k: list(v) if v != 7 else v for k, v in named.items()}
    stand.put(stand.codec.encode([wire.VERSION, row]))
    assert stand.work() == [] and stand.pending == 1


# -- out of the result ------------------------------------------------------------------------------


def test_large_values_are_put_before_the_answer_that_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(lambda _state: {"out": BIG, "n": 1})
    there: list[Any] = []
    publish = stand.broker.publish

    def watched(entries: Any, done: Any) -> None:
        there.append(dict(stand.server.partition(0).blobs))
        publish(entries, done)

    monkeypatch.setattr(stand.broker, "publish", watched)
    give(stand, 1)
    [answer] = stand.work()
    writes = [tuple(pair) for pair in unbox(answer.writes)]
    [name] = names_in(writes)
    assert name.blob in there[0], "the blob came first"
    assert name.blob.startswith("run:") and len(answer.writes.data) < 200
    assert dict(resolve(writes, values_of(stand, writes))) == {"out": BIG, "n": 1}
    stand.server.now_ms += BLOB_UNNAMED_TTL_S * 1000
    assert stand.server.partition(0).blobs == {}, "nobody has named it"


def test_arguments_of_sends_are_moved_out_also_those_that_go_up() -> None:
    arg = {"n": BIG}
    stand = Stand(lambda _state: Command(goto=[Send("node", arg), Send("node", arg), Send("node", {"n": 1})]))
    give(stand, 1)
    [answer] = stand.work()
    writes = [tuple(pair) for pair in unbox(answer.writes)]
    assert len(stand.server.partition(0).blobs) == 1, "one object is one blob"
    sends = [value for channel, value in resolve(writes, values_of(stand, writes)) if channel == TASKS]
    assert sends == [Send("node", arg), Send("node", arg), Send("node", {"n": 1})]


def test_a_command_for_the_graph_above() -> None:
    command = Command(graph=Command.PARENT, update={"out": BIG}, goto=Send("elsewhere", [BIG]))
    stand = Stand(lambda _state: command)
    give(stand, 1)
    [answer] = stand.work()
    assert isinstance(answer, TaskBubbled)
    found = unbox(answer.command)
    assert len(names_in(found)) == 2 and len(answer.command.data) < 400
    resolved = resolve(found, values_of(stand, found))
    assert (resolved.update, resolved.goto) == (command.update, command.goto)
    with pytest.raises(BlobMissing):
        resolve(found, {})


def test_a_coordinator_that_takes_no_names_gets_the_values() -> None:
    stand = Stand(lambda _state: {"out": BIG})
    give(stand, 1, names=False)
    [answer] = stand.work()
    assert unbox(answer.writes) == [["out", BIG]] and stand.server.partition(0).blobs == {}


def test_two_executions_of_one_attempt_never_share_a_blob() -> None:
    stand = Stand(lambda _state: {"out": BIG + uuid.uuid4().hex})
    for _ in range(2):
        give(stand, 1)
    other = Stand(lambda _state: {"out": BIG})
    other.worker.runner._name = "w"
    give(other, 1)
    answers = [*stand.work(), *other.work()]
    blobs = [names_in(unbox(answer.writes))[0].blob for answer in answers]
    assert len(set(blobs)) == 3


def test_many_small_values_that_make_a_large_result_are_moved_out_too() -> None:
    count = RESULT_INLINE_BYTES_MAX // 2000
    stand = Stand(lambda _state: Command(goto=[Send("node", {"n": str(i) + "x" * 4000}) for i in range(count)]))
    give(stand, 1)
    [answer] = stand.work()
    assert len(answer.writes.data) <= RESULT_INLINE_BYTES_MAX
    writes = [tuple(pair) for pair in unbox(answer.writes)]
    sends = resolve(writes, values_of(stand, writes))
    assert [value.arg["n"][:-4000] for channel, value in sends if channel == TASKS] == [str(i) for i in range(count)]


def test_a_result_that_is_too_large_all_the_same_fails_where_it_was_made() -> None:
    def node(_state: Any) -> Any:
        return Command(goto=[Send("node", "x" * 170) for _ in range(80_000)])

    stand = Stand(node)
    give(stand, 1)
    [answer] = stand.work()
    assert isinstance(answer, TaskError)
    text = answer.error.message
    for part in ("what node 'node' returned", "Send", "the limit is", "Return less at once"):
        assert part in text
    assert stand.server.partition(0).blobs == {}


def test_an_event_that_fits_into_no_entry_is_refused_in_the_node() -> None:
    seen: list[BaseException] = []

    def node(_state: Any) -> Any:
        emit = current.get().job.emit  # type: ignore[union-attr]
        try:
            emit(0, "x" * (17 * 1024 * 1024), None)
        except Exception as error:
            seen.append(error)
        emit(0, "small", None)
        return {"out": 1}

    stand = Stand(node)
    give(stand, 1)
    events, answer = stand.work()
    assert isinstance(events, Events) and len(events.items) == 1 and isinstance(answer, TaskResult)
    [error] = seen
    assert "event of type str" in str(error) and "node 'node'" in str(error) and "the limit is" in str(error)


# -- a broker that fails ----------------------------------------------------------------------------


def test_a_batch_that_is_written_again_puts_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit may have kept the blobs meanwhile: their lives must not be cut short again."""
    stand = Stand(lambda _state: {"out": BIG})
    puts: list[Any] = []
    put, publish = stand.broker.put_blobs, stand.broker.publish
    monkeypatch.setattr(stand.broker, "put_blobs", lambda blobs: (puts.append(list(blobs)), put(blobs)))

    def lossy(entries: Any, done: Any) -> None:
        publish(entries, done)
        monkeypatch.setattr(stand.broker, "publish", publish)
        raise NoBroker("memory://", "the reply is lost")

    monkeypatch.setattr(stand.broker, "publish", lossy)
    give(stand, 1)
    run_unsent(stand)
    with pytest.raises(NoBroker):
        send(stand)
    stand.worker.sender.send()
    assert len(puts) == 1 and len(stand.said()) == 2


def test_an_answer_waits_until_its_blobs_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(lambda _state: {"out": BIG})
    put = stand.broker.put_blobs

    def failing(_blobs: Any) -> None:
        monkeypatch.setattr(stand.broker, "put_blobs", put)
        raise NoBroker("memory://", "away")

    monkeypatch.setattr(stand.broker, "put_blobs", failing)
    give(stand, 1)
    run_unsent(stand)
    with pytest.raises(NoBroker):
        send(stand)
    assert stand.said() == []
    stand.worker.sender.send()
    [answer] = stand.said()
    assert set(values_of(stand, unbox(answer.writes))) == {names_in(unbox(answer.writes))[0].blob}


def test_what_nobody_waits_for_is_not_put() -> None:
    stand = Stand(lambda _state: {"out": BIG})
    give(stand, 1)
    run_unsent(stand)
    stand.cancel()
    send(stand)
    assert stand.server.partition(0).blobs == {} and stand.said() == []


def test_blobs_of_a_broken_partition_are_dropped_with_their_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(lambda _state: {"out": BIG})
    put = stand.broker.put_blobs

    def partly(blobs: list[Any]) -> None:
        if any(partition == 1 for partition, *_ in blobs):
            raise ServerError("ERR odd")
        put(blobs)

    monkeypatch.setattr(stand.broker, "put_blobs", partly)
    row = RunShared("other", "g", stand.program.fingerprint, 1, {}, None, ("custom",), True, names=True)
    stand.give(1, run="other", shared=stand.codec.box(wire.to_row(row)))
    give(stand, 2)
    stand.run(stand.take())
    stand.send()
    [answer] = stand.said()
    assert answer.run == "run" and len(values_of(stand, unbox(answer.writes))) == 1
    assert stand.server.partition(1).blobs == {} and len(stand.worker.table) == 0


def test_large_values_count_in_what_waits_to_be_sent() -> None:
    stand = Stand(lambda _state: {"out": BIG})
    give(stand, 1)
    run_unsent(stand)
    assert stand.worker.outbox._bytes > len(BIG)
    send(stand)
    assert stand.worker.outbox._bytes == 0
