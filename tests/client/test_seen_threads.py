"""What a client has read of a thread it does not read again, however the facts of a run lie in entries of its log."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

import drumline.cluster.seen_threads as seen_threads
from drumline.graph import START, StateGraph
from drumline.testing import local_cluster
from drumline.testing._local.broker import LocalLogReader
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.reading_cells import CellReader
from drumline_transport.entries import LogEntry

TURN = "x" * 5_000
TURNS = 8


class Talk(TypedDict, total=False):
    said: Annotated[list[str], operator.add]


def answer(_: Talk) -> Talk:
    return {"said": [TURN]}


TALK = StateGraph(Talk).add_node(answer).add_edge(START, "answer").compile(name="talk")


class Counted(CellReader):
    """Tells of each cell that it reads whether it reads the whole of it."""

    whole: list[bool]

    def _rows(self, owner: Any, wanted: Any, known: Sequence[Any], lacking: Sequence[int], blobs: Any) -> Any:
        self.whole += [known[i] is None for i in lacking]
        return super()._rows(owner, wanted, known, lacking, blobs)


def as_one(entries: list[LogEntry]) -> list[LogEntry]:
    """The facts of all of these in one entry, as a coordinator writes them that has much to do."""
    codec = Codec()
    facts = [fact for entry in entries for fact in wire.decode_facts(codec, entry.data)]
    return [LogEntry(entries[-1].id, entries[0].first, wire.encode_facts(codec, facts))] if entries else []


@pytest.mark.parametrize("in_one_entry", [False, True], ids=["as they come", "in one entry"])
def test_each_turn_reads_what_was_added_to_the_thread(monkeypatch: pytest.MonkeyPatch, in_one_entry: bool) -> None:
    monkeypatch.setattr(Counted, "whole", [], raising=False)
    monkeypatch.setattr(seen_threads, "CellReader", Counted)
    read = LocalLogReader.read
    if in_one_entry:
        monkeypatch.setattr(LocalLogReader, "read", lambda *asked: as_one(read(*asked)))
    with local_cluster({"talk": TALK}) as cluster:
        graph = cluster.graph("talk")
        config: Any = {"configurable": {"thread_id": "t"}}
        for turn in range(TURNS):
            run_id = graph.start({"said": [TURN]}, config)
            cluster.result(run_id, thread_id="t")
            *_, last = cluster.join(run_id, stream_mode="values", thread_id="t")
            assert len(last["said"]) == 2 * (turn + 1)
    assert Counted.whole.count(False) >= TURNS - 2
    assert Counted.whole.count(True) <= 1
