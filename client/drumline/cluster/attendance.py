"""Who is there for a run: asked when nothing comes, so that a caller learns soon what it waits for, or that in vain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from drumline.up_file import is_starting
from drumline_protocol.errors import NoWorker
from drumline_protocol.limits import ACCEPT_TIMEOUT_MS
from drumline_protocol.presence import Presence, presences

if TYPE_CHECKING:
    from drumline.cluster.link import Link
    from drumline_transport.broker import Kind

#: how long a request waits where no coordinator is registered: one that is just being started registers by then
GRACE_MS = 3_000


def is_in_vain(link: Link, waited_ms: float) -> bool:
    """Whether a request that nobody has accepted for `waited_ms` need not wait until `ACCEPT_TIMEOUT_MS` is over.

    So it is when no coordinator is registered, unless the `drumline up` of this folder is still starting one.
    """
    return is_over(link, waited_ms) and not alive(link, "coordinators")


def is_over(link: Link, waited_ms: float) -> bool:
    """Whether the time is over for which a caller waits where nobody is: longer while `up` starts in this folder."""
    return waited_ms >= min(GRACE_MS, ACCEPT_TIMEOUT_MS) and not is_starting(link.url, link.prefix)


def missing_workers(link: Link, graph: str, tasks: Iterable[Mapping[str, Any]]) -> list[NoWorker]:
    """A warning for each pool of these open tasks that no worker takes which holds the graph."""
    # what is not told, of a run or by a worker, is no reason to warn
    holding = [worker for worker in alive(link, "workers") if not (graph and worker.graphs) or graph in worker.graphs]
    served = {pool for worker in holding for pool in worker.pools}
    return [NoWorker(pool, graph) for pool in sorted({task["pool"] for task in tasks} - served)]


def alive(link: Link, kind: Kind) -> list[Presence]:
    """The coordinators or workers that have been heard of lately."""
    return [member for member in presences(link.broker().members(kind)) if member.is_alive]
