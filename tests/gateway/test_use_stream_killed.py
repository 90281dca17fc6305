"""The gateway behind `useStream` is killed amid a stream, another one comes: nothing is lost, nothing twice."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.command import ROOT, Started, environment
from tests.gateway.chat_pages import AMID, HI, WHOLE, asks
from tests.gateway.chats import Gate, chats
from tests.gateway.page_driver import Page, node_and_modules, page_at
from tests.inside import Inside
from tests.servers import newest, program

from drumline_transport.local_server import LocalServer, free_port

pytestmark = pytest.mark.cluster


class Gateway:
    """A gateway process at one port, which can be killed and started again. `gate_is_open`: that of its own graphs."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.port = free_port()
        self._folder, self._words = folder, words
        self.start()

    def start(self, *, gate_is_open: bool = False) -> None:
        opened = "gate.open()" if gate_is_open else "gate.close()"
        app = f"from tests.gateway.chats import Gate, chats\ngate = Gate()\n{opened}\ngraphs = chats(gate)\n"
        (self._folder / "app.py").write_text(textwrap.dedent(app))
        verb, *words = self._words
        self._process = Started(
            verb,
            "app.py:graphs",
            *words,
            "--port",
            str(self.port),
            cwd=self._folder,
            env=environment(PYTHONPATH=str(ROOT)),
        )
        self._process.await_line(r"ready: http")

    def kill(self) -> None:
        self._process.process.kill()
        self._process.wait()


@contextmanager
def page_of(gateway: Gateway) -> Iterator[Page]:
    try:
        with page_at(f"http://127.0.0.1:{gateway.port}") as page:
            yield page
    finally:
        gateway.kill()


@pytest.mark.parametrize("hook", ["legacy", "react"])
def test_a_stream_over_a_gateway_that_is_killed(tmp_path: Path, hook: str) -> None:
    node_and_modules()
    gate = Gate()
    with LocalServer(program(newest())) as server, Inside(server.url, chats(gate)) as inside:
        inside.coordinator()
        inside.worker()
        gateway = Gateway(tmp_path, "gateway", "--broker", server.url, "--prefix", inside.prefix)
        with page_of(gateway) as page:
            for reloads in (False, True):
                gate.close()
                page.open(hook, assistantId="chat", listen=("onThreadId", "onFinish", "onError"), reconnectOnMount=True)
                page.submit(HI)
                page.until(f"s.messages.at(-1)?.content === '{AMID}'")
                gateway.kill()
                gateway.start()
                if reloads:
                    page.reload()
                    page.until(f"s.messages.at(-1)?.content === '{AMID}'")
                gate.open()
                done = page.settled(f"s.messages.at(-1)?.content === '{WHOLE}'")
                assert done["error"] is None and len(done["messages"]) == 2
                assert all(WHOLE.startswith(text) for text in page.texts() if text != "hi"), page.texts()
                assert "onError" not in [name for name, *_ in page.told()]


def test_a_thread_of_a_gateway_with_its_own_graphs_goes_on(tmp_path: Path) -> None:
    """`drumline dev` holds its runs in memory: the one that was amid is lost, the thread is not."""
    node_and_modules()
    gateway = Gateway(tmp_path, "dev")
    with page_of(gateway) as page:
        page.open(assistantId="chat", listen=("onThreadId",), reconnectOnMount=True)
        page.submit(HI)
        page.until(f"s.messages.at(-1)?.content === '{AMID}'")
        gateway.kill()
        gateway.start(gate_is_open=True)
        page.reload()
        shown = page.settled("s.messages.length === 1")
        assert shown["messages"][0]["content"] == "hi"
        page.submit(asks("on", "m2"))
        done = page.settled("s.messages.length === 3")
        assert done["messages"][-1]["content"] == "you said on amid the talk" and done["error"] is None
