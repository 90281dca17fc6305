"""A client of the thread protocol that keeps what it gets, and may be cut anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
from langgraph_sdk.sse import BytesLineDecoder, SSEDecoder

ALL = ["values", "updates", "messages", "tools", "lifecycle", "input", "checkpoints", "tasks", "custom"]

Event = dict[str, Any]


def command(url: str, thread: str, method: str, **params: Any) -> Event:
    """What a command is answered."""
    body = {"id": 7, "method": method, "params": params}
    answer = httpx.post(f"{url}/threads/{thread}/commands", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    found: Event = answer.json()
    assert found["id"] == 7
    return found


def events(url: str, thread: str, *, cut: int | None = None, **asked: Any) -> Iterator[Event]:
    """The events of a thread, without an end; `cut`: it hangs up after so many bytes."""
    body = {"channels": ALL, **asked}
    with httpx.stream("POST", f"{url}/threads/{thread}/stream/events", json=body, timeout=30) as answer:
        assert answer.status_code == 200, answer.read()
        lines, frames, taken = BytesLineDecoder(), SSEDecoder(), 0
        for data in answer.iter_raw():
            whole = data if cut is None else data[: cut - taken]
            taken += len(data)
            for line in lines.decode(whole):
                frame = frames.decode(bytes(line))
                if frame is not None and frame.data is not None:
                    assert (frame.id or "") == frame.data.get("event_id", ""), frame
                    yield frame.data
            if cut is not None and taken >= cut:
                return


def until(found: Iterator[Event], is_last: Callable[[Event], bool]) -> list[Event]:
    """The events up to one."""
    kept = []
    for event in found:
        kept.append(event)
        if is_last(event):
            return kept
    raise AssertionError(f"the stream has ended: {kept[-3:]}")


def ends(event: Event) -> bool:
    """Whether a run has ended here."""
    return is_root(event) and event["params"]["data"]["event"] in ("completed", "failed", "interrupted")


def is_root(event: Event) -> bool:
    """Whether it tells how a run stands."""
    return event["type"] == "event" and event["method"] == "lifecycle" and not event["params"]["namespace"]


def ids(found: list[Event]) -> list[str]:
    """The ids of events."""
    return [event["event_id"] for event in found]


def data(found: list[Event], method: str) -> list[Any]:
    """What the events of a method say."""
    return [event["params"]["data"] for event in found if event["method"] == method]
