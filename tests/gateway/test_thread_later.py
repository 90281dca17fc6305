"""The stream of a thread on which runs begin in another order than they were asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
from langgraph_sdk.sse import BytesLineDecoder, SSEDecoder
from tests.gateway.thread_reader import Event, data, ends, events, ids, until

INPUT = {"said": ["x"]}


def run_of(event: Event) -> str:
    return str(event["event_id"].removeprefix("synth:").split(":")[0])


def both(client: Any, thread: str, after_s: float = 1.0) -> tuple[str, str]:
    """A run that begins later, and one that was asked for behind it and has ended."""
    late = client.runs.create(thread, "speak", input=INPUT, after_seconds=after_s)["run_id"]
    soon = client.runs.create(thread, "speak", input=INPUT)["run_id"]
    client.runs.join(thread, soon)
    return late, soon


def test_who_comes_back_behind_a_younger_run_is_told_of_the_one_that_begins_later(
    client: Any, thread: str, url: str
) -> None:
    late, soon = both(client, thread)
    first = until(events(url, thread), ends)
    assert {run_of(event) for event in first} == {soon}
    rest = until(events(url, thread, since=first[-1]["seq"]), lambda event: ends(event) and run_of(event) == late)
    assert {run_of(event) for event in rest} - {soon} == {late}
    assert data(rest, "values")[-1]["said"] == ["x", "heard 1", "x", "heard 3"]


def test_numbers_grow_and_any_of_them_is_gone_on_from(client: Any, thread: str, url: str) -> None:
    late, soon = both(client, thread, 0.2)
    client.runs.join(thread, late)

    def is_last(event: Event) -> bool:
        return ends(event) and run_of(event) == late

    whole = until(events(url, thread), is_last)
    assert list(dict.fromkeys(map(run_of, whole))) == [soon, late]
    assert [event["seq"] for event in whole] == sorted(event["seq"] for event in whole)
    for event in whole[:: max(1, len(whole) // 9)]:
        wanted = [each["event_id"] for each in whole if each["seq"] >= event["seq"]]
        assert ids(until(events(url, thread, since=event["seq"]), is_last)) == wanted


def test_who_has_asked_for_the_later_one_goes_on_from_there(client: Any, thread: str, url: str) -> None:
    """Its number is of when it was accepted: nothing was missed, although the run began after that."""
    late, soon = both(client, thread, 0.2)
    client.runs.join(thread, late)
    accepted = {run["run_id"]: datetime.fromisoformat(run["created_at"]) for run in client.runs.list(thread)}
    assert accepted[late] < accepted[soon]
    since = round(accepted[late].timestamp() * 1000) * 1024 - 1
    found = until(events(url, thread, since=since), lambda event: event["type"] != "event" or run_of(event) == late)
    assert [event["type"] for event in found] == ["event"] * len(found) and run_of(found[0]) == soon


def test_the_older_stream_tells_of_it_too(client: Any, thread: str, url: str) -> None:
    late, soon = both(client, thread)

    def frames(last_event_id: str) -> Any:
        lines, decoder = BytesLineDecoder(), SSEDecoder()
        headers = {"Last-Event-ID": last_event_id}
        with httpx.stream("GET", f"{url}/threads/{thread}/stream", headers=headers, timeout=30) as answer:
            for part in answer.iter_raw():
                for line in lines.decode(part):
                    frame = decoder.decode(bytes(line))
                    if frame is not None and frame.event:
                        yield frame

    begun = [next(found) for found in [frames("-1")] for _ in range(2)]
    assert begun[0].data["run_id"] == soon
    seen = next(frame for frame in frames(begun[-1].id) if frame.event == "metadata" and frame.data["run_id"] == late)
    assert seen is not None
