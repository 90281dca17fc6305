"""A web application that streams runs: whatever becomes of its requests, no run is left open.

The application is FastAPI's; the server in front of it is the test, which speaks ASGI and may hang up when it likes.
"""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.client import graphs
from tests.client.graphs import gates
from tests.inside import LIMIT_S

from drumline import Cluster

fastapi = pytest.importorskip("fastapi")
responses = pytest.importorskip("fastapi.responses")

#: three times the slots of the worker behind the cluster
REQUESTS = 12


class Handler(Exception):
    """Of a handler of the application."""


@pytest.fixture
def names() -> Iterator[list[str]]:
    made = [uuid.uuid4().hex for _ in range(REQUESTS)]
    yield made
    for name in made:
        gates[name].set()


def application(cluster: Cluster) -> Any:
    app = fastapi.FastAPI()
    graph = cluster.graph("waits")

    @app.get("/raises/{who}")
    async def raises(who: str) -> Any:
        async for _ in graph.astream({"who": who}, stream_mode="custom"):
            raise Handler

    @app.get("/refuses/{who}")
    async def refuses(who: str) -> Any:
        stream = graph.astream({"who": who}, stream_mode="custom")
        async for item in stream:
            raise fastapi.HTTPException(418, f"no {item}")

    @app.get("/returns/{who}")
    async def returns(who: str) -> Any:
        async for item in graph.astream({"who": who}, stream_mode="custom"):
            return item

    @app.get("/streams/{who}")
    async def streams(who: str) -> Any:
        async def lines() -> Any:
            async for item in graph.astream({"who": who}, stream_mode="custom"):
                yield f"{item}\n"

        return responses.StreamingResponse(lines())

    @app.get("/breaks/{who}")
    async def breaks(who: str) -> Any:
        async def lines() -> Any:
            async for item in graph.astream({"who": who}, stream_mode="custom"):
                yield f"{item}\n"
                raise Handler

        return responses.StreamingResponse(lines())

    @app.get("/sync/{who}")
    def sync(who: str) -> Any:
        for _ in graph.stream({"who": who}, stream_mode="custom"):
            raise Handler

    return app


async def request(app: Any, path: str, *, spec: str = "2.3") -> None:
    """One request, by a client that hangs up when it has read the first line of the answer."""
    read = asyncio.Event()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await read.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and message.get("body"):
            read.set()
            if spec == "2.4":  # a server that tells it this way
                raise OSError("the client has gone")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": spec},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [],
        "client": ("test", 1),
        "server": ("test", 80),
    }
    try:
        await app(scope, receive, send)
    except Exception:  # a server logs it
        return


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
@pytest.mark.parametrize("path", ["raises", "refuses", "returns", "streams", "breaks", "sync"])
def test_no_request_leaves_a_run_open(cluster: Cluster, names: list[str], path: str, spec: str) -> None:
    app = application(cluster)

    async def main() -> None:
        for name in names:
            await asyncio.wait_for(request(app, f"/{path}/{name}", spec=spec), LIMIT_S)

    asyncio.run(main())
    gc.collect()
    for name in names:
        assert graphs.told[name].get(timeout=LIMIT_S) == "waiting"
        assert graphs.told[name].get(timeout=LIMIT_S) == "cancelled"
