"""Threads over a WebSocket: the same events as the stream has, several subscriptions, clients that are slow or gone."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.gateway.stand import State, serving, talk
from tests.gateway.thread_reader import ALL, Event, command, ends, events, ids, until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from drumline.graph import START, StateGraph
from drumline.types import StreamWriter
from drumline_gateway import thread_feed
from drumline_gateway.app import build
from drumline_gateway.auth import Guard
from drumline_gateway.embedded_service import EmbeddedService
from drumline_gateway.sse import Streams
from drumline_gateway.thread_socket import SUBSCRIPTIONS_MAX

PIECES, SIZE = 160, 50_000


def opened(url: str, thread: str, **given: Any) -> ClientConnection:
    address = f"{url.replace('http', 'ws', 1)}/threads/{thread}/stream/events"
    return connect(address, max_size=None, compression=None, close_timeout=0.2, **given)


class Client:
    """One connection, and what came of it that no command was answered with."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.held: list[Event] = []
        self._id = 0

    def ask(self, method: str, **params: Any) -> Event:
        self._id += 1
        self.socket.send(json.dumps({"id": self._id, "method": method, "params": params}))
        while True:
            found: Event = json.loads(self.socket.recv(timeout=30))
            if found["type"] != "event" and found["id"] == self._id:
                return found
            self.held.append(found)

    def events(self) -> Iterator[Event]:
        while True:
            if self.held:
                yield self.held.pop(0)
            else:
                yield json.loads(self.socket.recv(timeout=30))


@pytest.fixture
def thread() -> str:
    return str(uuid.uuid4())


def test_the_events_are_those_of_the_stream(url: str, thread: str) -> None:
    with opened(url, thread) as opened_:
        client = Client(opened_)
        assert client.ask("subscription.subscribe", channels=ALL)["result"]["subscription_id"]
        client.ask("run.start", assistant_id="nested", input={"said": ["x"]})
        first = until(client.events(), ends)
        client.ask("run.start", assistant_id="ask", input={"topic": "why"})
        found = first + until(client.events(), ends)
    again = events(url, thread)
    assert until(again, ends) + until(again, ends) == found


def test_subscriptions_come_and_go_on_one_connection_and_keep_its_order(url: str, thread: str) -> None:
    command(
        url, thread, "run.start", assistant_id="chat", input={"messages": [{"role": "user", "content": "hi there"}]}
    )
    whole = until(events(url, thread), ends)
    with opened(url, thread) as opened_:
        client = Client(opened_)
        looks = client.ask("subscription.subscribe", channels=["lifecycle"])["result"]["subscription_id"]
        client.ask("subscription.subscribe", channels=["messages", "lifecycle"])
        found: list[Event] = []
        while not found or not ends(found[-1]) or not [event for event in found if event["method"] == "messages"]:
            found.append(next(client.events()))
        # each event in its place: the run does not end before its messages
        seen = list({event["event_id"]: event for event in found}.values())
        wanted = [event for event in whole if event["method"] in ("messages", "lifecycle")]
        last = [event for event in found if ends(event)][-1]
        assert last == wanted[-1] and sorted(ids(seen)) == sorted(ids(wanted))
        assert [event for event in found if event["method"] == "messages"] == wanted[1:-1]
        assert client.ask("subscription.unsubscribe", subscription_id=looks)["result"] == {}
        gone = client.ask("subscription.unsubscribe", subscription_id=looks)
        assert gone["error"] == "no_such_subscription"


def test_no_end_is_told_before_a_client_has_asked_for_all_it_wants_of_a_run_that_it_started(
    url: str, thread: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # JavaScript's client asks for `values` when it knows that the run is started, and with its end for nothing more
    monkeypatch.setattr(thread_feed, "_END_AFTER_MS", 20_000)
    with opened(url, thread) as opened_:
        reader = Client(opened_)
        reader.ask("subscription.subscribe", channels=["messages", "lifecycle", "input"])
        run = reader.ask("run.start", assistant_id="speak", input={"said": []})["result"]["run_id"]
        client.runs.join(thread, run)
        reader.ask("subscription.subscribe", channels=["values"])
        found = until(reader.events(), lambda event: event["method"] == "values")
    assert not any(map(ends, found))


def test_a_client_says_which_event_it_has(url: str, thread: str) -> None:
    command(url, thread, "run.start", assistant_id="speak", input={"said": []})
    whole = until(events(url, thread), ends)
    run = whole[0]["event_id"].split(":")[1]
    for part in (whole[0], whole[3]):
        with opened(url, thread) as opened_:
            client = Client(opened_)
            told = client.ask("subscription.reconnect", run_id=run, last_event_id=part["event_id"], subscriptions=["s"])
            assert told["result"] == {"restored": False}
            client.ask("subscription.subscribe", channels=ALL)
            assert until(client.events(), ends) == [event for event in whole if event["seq"] >= part["seq"]]
            for other in ("nonsense", f"{run}:x:values:0", "synth:none:1:0"):
                assert (
                    client.ask("subscription.reconnect", run_id=run, last_event_id=other)["error"] == "invalid_argument"
                )
            assert client.ask("subscription.reconnect", run_id="none")["error"] == "no_such_run"


def flood() -> Any:
    """A graph that says more than any buffer on the way holds."""

    def speak(_state: State, writer: StreamWriter) -> State:
        for number in range(PIECES):
            writer({"number": number, "text": "x" * SIZE})
        return {"said": ["done"]}

    return StateGraph(State).add_node(speak).add_edge(START, "speak").compile(name="flood")


class Heard(logging.Handler):
    """Tells when the gateway has closed a connection to a client that took nothing."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.closed = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "took nothing" in record.getMessage():
            self.closed.set()


def test_a_client_that_takes_nothing_loses_its_connection_and_no_event(
    thread: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And wherever it is cut, it has the log in the end."""
    caplog.set_level(logging.INFO, "drumline.gateway")
    service, chance, heard = EmbeddedService({"flood": flood().program}), random.Random(5), Heard()
    logging.getLogger("drumline.gateway").addHandler(heard)
    kept: dict[str, Event] = {}
    connections = 0
    with serving(build(service, streams=Streams(stall_s=0.3))) as url:
        command(url, thread, "run.start", assistant_id="flood", input={"said": []})
        while not kept or not ends(list(kept.values())[-1]):
            connections += 1
            patience = chance.randint(5, 60) if connections < 6 else 2 * PIECES
            with opened(url, thread, max_queue=1, sock=narrow(url) if connections == 1 else None) as slow:
                client = Client(slow)
                client.ask("subscription.subscribe", channels=ALL, **({"since": last_of(kept)} if kept else {}))
                if connections == 1:  # it reads no more: what it is sent is more than there is room for
                    assert heard.closed.wait(60)
                    patience = 2 * PIECES
                try:
                    for event, _ in zip(client.events(), range(patience), strict=False):
                        kept.setdefault(event["event_id"], event)
                        if ends(event):
                            break
                except ConnectionClosed:
                    assert heard.closed.is_set()
                else:
                    assert connections > 1  # the first one could not read it all
        assert list(kept.values()) == until(events(url, thread), ends)
    logging.getLogger("drumline.gateway").removeHandler(heard)
    assert connections > 1 and len([event for event in kept.values() if event["method"] == "custom"]) == PIECES


def narrow(url: str) -> socket.socket:
    """A connection of TCP that holds little."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
    host, _, port = url.removeprefix("http://").partition(":")
    found.connect((host, int(port)))
    return found


def last_of(kept: dict[str, Event]) -> int:
    """The number of the event that came last."""
    return int(list(kept.values())[-1]["seq"])


def test_who_may_not_is_told_by_the_code(thread: str) -> None:
    service = EmbeddedService({name: graph.program for name, graph in talk().items()})
    guard = Guard({"key-of-ann": "ann", "key-of-bob": "bob"})

    def code(key: str, **headers: str) -> int | None:
        with opened(url, thread, additional_headers={"x-api-key": key, **headers}) as opened_:
            try:
                Client(opened_).ask("subscription.subscribe", channels=["values"])
            except ConnectionClosed as error:
                return None if error.rcvd is None else error.rcvd.code
            return 0

    with serving(build(service, guard=guard)) as url:
        with opened(url, thread, additional_headers={"x-api-key": "key-of-ann"}) as opened_:
            assert Client(opened_).ask("run.start", assistant_id="speak", input={"said": []})["type"] == "success"
        assert code("key-of-ann") == 0
        assert code("key-of-bob") == 4404
        assert code("key-of-eve") == 4401
        assert code("key-of-ann", origin="https://elsewhere.example") == 4403


def test_what_cannot_be_obeyed_is_told_and_the_connection_stays(addresses: dict[str, str], thread: str) -> None:
    with opened(addresses["embedded"], thread) as opened_:
        for text in ("", "{", "[]", '"x"', '{"a":' * 400 + "1" + "}" * 400):
            opened_.send(text)
            told = json.loads(opened_.recv(timeout=30))
            assert (told["type"], told["id"], told["error"]) == ("error", None, "invalid_argument"), text[:20]
        client = Client(opened_)
        assert client.ask("subscription.subscribe")["error"] == "invalid_argument"
        assert client.ask("state.get")["error"] == "no_such_run"
        for _ in range(SUBSCRIPTIONS_MAX):
            assert client.ask("subscription.subscribe", channels=["values"])["type"] == "success"
        assert client.ask("subscription.subscribe", channels=["values"])["error"] == "invalid_argument"


def test_clients_of_a_gateway_that_is_stopped_are_told_to_come_again(thread: str) -> None:
    class Service(EmbeddedService):
        async def open(self) -> None:
            self.loop = asyncio.get_running_loop()
            await super().open()

    service = Service({name: graph.program for name, graph in talk().items()})
    app = build(service)
    with serving(app) as url, opened(url, thread) as opened_:
        Client(opened_).ask("subscription.subscribe", channels=["values"])
        body = {"channels": ["values"]}
        with httpx.stream("POST", f"{url}/threads/{thread}/stream/events", json=body, timeout=30) as stream:
            asyncio.run_coroutine_threadsafe(app.state.gateway.streams.drain(0), service.loop)
            with pytest.raises(
                httpx.RemoteProtocolError
            ):  # one that ends in good order would be over to Python's client
                stream.read()
        with pytest.raises(ConnectionClosed) as raised:
            opened_.recv(timeout=30)
        assert raised.value.rcvd is not None and raised.value.rcvd.code == 1012
