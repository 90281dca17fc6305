"""The gateway: an ASGI app over a cluster, for the clients that LangGraph has.

`drumline_gateway` is a room of its own, above this one, and needs an ASGI stack that nobody else here does. So it is
imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from drumline_graph.errors import DrumlineError

if TYPE_CHECKING:
    from drumline.cluster import Cluster

__all__ = ["GatewayNotInstalled", "asgi"]

#: distributions of the extra, as they are imported
NEEDED = ("starlette", "uvicorn")


class GatewayNotInstalled(DrumlineError):
    """The gateway needs starlette and uvicorn, and this environment lacks one of them.

    What to do: `pip install "drumline[gateway]"`.
    """

    def __init__(self, missing: str) -> None:
        super().__init__(f'The gateway needs {missing}, which is not installed: pip install "drumline[gateway]".')


def asgi(cluster: Cluster, **options: Any) -> Any:
    """An ASGI app that serves the graphs of a cluster, to run by uvicorn or to mount into one's own app.

    `graphs`: compiled graphs by the names under which they are served; schemas, drawings, states of threads and typed
    inputs need them. More options: `drumline_gateway.app.build`. GatewayNotInstalled.
    """
    return part("app").asgi(cluster, **options)


def part(name: str) -> Any:
    """A module of the gateway's room. GatewayNotInstalled."""
    try:
        return import_module(f"drumline_gateway.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in NEEDED:
            raise GatewayNotInstalled(error.name or "") from error
        raise
