"""`connect`: a broker object for one Redis address. All verbs; each role uses its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drumline_protocol.errors import (
    EvictingBroker,
    NoBroker,
    NoCluster,
    PartitionMismatch,
    ProtocolTooNew,
)
from drumline_protocol.keys import Keys
from drumline_protocol.wire import VERSION
from drumline_transport.broker import Broker
from drumline_transport.cluster_broker import ClusterBroker
from drumline_transport.connection import Connection, Lost, Reply, pack
from drumline_transport.dialer import Dialer, address_of, dialer_of, info_field
from drumline_transport.errors import ServerError
from drumline_transport.line import load_script
from drumline_transport.nodes import Nodes, SlotDialer, slot_of
from drumline_transport.redis_client import RedisClient
from drumline_transport.redis_coordinator import number_in
from drumline_transport.redis_keeper import RedisKeeper
from drumline_transport.redis_worker import RedisWorker
from drumline_transport.rows import text
from drumline_transport.scripts import ALL

#: Partitions of a cluster that is created without saying how many.
PARTITIONS_DEFAULT = 8
#: A number beyond this was not written by us: each process would make a list of them all.
PARTITIONS_MAX = 65_536
#: The oldest Redis that has the commands that we use (XPENDING IDLE, XTRIM MINID, exclusive ranges).
SERVER_VERSION_MIN = (6, 2)
#: How long a verb that may be repeated tries to reach the broker before it raises `NoBroker`.
PATIENCE_S = 10.0


class RedisBroker(RedisKeeper, RedisWorker, RedisClient):
    """All verbs on Redis or Valkey. Made by `connect`."""

    def __repr__(self) -> str:
        return f"RedisBroker({self._dialer.name!r}, partitions={self.partitions})"


def _conforms(broker: RedisBroker) -> Broker:
    return broker  # checked by mypy


#: What `connect` returns: one server (or a master that sentinels name), or a Redis Cluster.
AnyBroker = RedisBroker | ClusterBroker


def connect(
    url: str,
    *,
    prefix: str = "drumline",
    partitions: int | None = None,
    name: str = "drumline",
    patience_s: float = PATIENCE_S,
    create: bool = False,
) -> AnyBroker:
    """Connect to the cluster `prefix` at `url` (`address.py` has the forms of it: one server, Redis Cluster, Sentinel).

    With `create` the cluster is made if it is new: coordinators do that, for the number of partitions stays for ever.
    Without, nothing is written. `partitions` matters for a new cluster only (None: `PARTITIONS_DEFAULT`); otherwise it
    is compared with what is stored. `name` shows in `CLIENT LIST`. Tries once, without patience: raises `NoBroker` when
    nobody answers or lets us in, `NoCluster`, `EvictingBroker`, `PartitionMismatch`, or `ProtocolTooNew` when a newer
    drumline created the cluster.
    """
    keys = Keys(prefix)
    if partitions is not None and not 0 < partitions <= PARTITIONS_MAX:
        raise ValueError(f"a cluster has 1 to {PARTITIONS_MAX} partitions, not {partitions}")
    making = partitions or PARTITIONS_DEFAULT if create else 0
    try:
        with _visit(url, name, slot_of(keys.meta())) as (dialer, connection):
            _check_server(url, dialer)
            _refuse_eviction(connection)
            stored, protocol = _inspect(connection, keys.meta(), making)
        if address_of(url).kind == "cluster":
            _each_master(url, name, _refuse_eviction)
    except Lost as lost:
        raise NoBroker(url, str(lost)) from None
    except ServerError as refusal:
        raise NoBroker(url, refusal.text) from None
    if not stored:
        raise NoCluster(url, prefix)
    if partitions is not None and partitions != stored:
        raise PartitionMismatch(partitions, stored)
    broker = broker_at(url, prefix, stored, name, patience_s)
    broker.protocol = protocol
    return broker


def broker_at(url: str, prefix: str, partitions: int, name: str, patience_s: float) -> AnyBroker:
    """A broker object for a cluster that is known to be there: it connects when a verb is first used."""
    if address_of(url).kind == "cluster":
        return ClusterBroker(Nodes(url, name, patience_s), Keys(prefix), partitions)
    return RedisBroker(dialer_of(url, name, patience_s), Keys(prefix), partitions)


def install_scripts(url: str, *, name: str = "drumline") -> int:
    """Load all Lua scripts into the server at `url`, for roles that may call them and load none; how many there are.

    On a Redis Cluster into every master. Tries once, and needs no cluster of drumline's. Raises `NoBroker`, also for a
    user that may not load scripts.
    """

    def load(connection: Connection) -> None:
        for script in ALL:
            load_script(connection, script)

    try:
        if address_of(url).kind == "cluster":
            _each_master(url, name, load)
        else:
            with _visit(url, name) as (_, connection):
                load(connection)
    except Lost as lost:
        raise NoBroker(url, str(lost)) from None
    except ServerError as refusal:
        raise NoBroker(url, refusal.text) from None
    return len(ALL)


@contextmanager
def _visit(url: str, name: str, slot: int = 0) -> Iterator[tuple[Dialer, Connection]]:
    """A connection for a few commands: to the server at `url`, of a Redis Cluster to the master of that slot."""
    cluster = address_of(url).kind == "cluster"
    dialer = SlotDialer(Nodes(url, name, 0.0), slot) if cluster else dialer_of(url, name, 0.0)
    connection = dialer.dial("connect")
    try:
        yield dialer, connection
    finally:
        dialer.hang_up(connection)


def _each_master(url: str, name: str, use: Callable[[Connection], object]) -> None:
    """`use` a connection to each master of a Redis Cluster."""
    nodes = Nodes(url, name, 0.0)
    for place in nodes.masters():
        connection = nodes.dial(place, "connect")
        try:
            use(connection)
        finally:
            nodes.hang_up(connection)


def _check_server(url: str, dialer: Dialer) -> None:
    """NoBroker for a server that is too old, or a node of a Redis Cluster where one server was named."""
    if dialer.server_mode == "cluster" and dialer.address.kind != "cluster":
        raise NoBroker(url, "the server there is a node of a Redis Cluster")
    _check_version(url, dialer.server_version)


def _check_version(url: str, version: str) -> None:
    parts = version.split(".")
    if len(parts) < 2 or not (parts[0].isdigit() and parts[1].isdigit()):
        return
    if (int(parts[0]), int(parts[1])) < SERVER_VERSION_MIN:
        oldest = ".".join(map(str, SERVER_VERSION_MIN))
        raise NoBroker(url, f"the server there is Redis {version}; drumline needs {oldest} or newer")


def _refuse_eviction(connection: Connection) -> None:
    """EvictingBroker for a server that may evict."""
    # INFO, not CONFIG: managed servers forbid the latter. A server that forbids INFO too is taken at its word.
    (info,) = connection.calls([pack("INFO", "memory")])
    policy = info_field(info, "maxmemory_policy") if isinstance(info, bytes) else ""
    if policy not in ("", "noeviction"):
        raise EvictingBroker(policy)


def _inspect(connection: Connection, meta: str, partitions: int) -> tuple[int, int]:
    """Create `meta` if it is missing and `partitions` is not 0.

    Returns the number of partitions (0: there is no cluster), and the protocol version that the cluster speaks.
    """
    creating = [pack("HSETNX", meta, "partitions", partitions), pack("HSETNX", meta, "protocol", VERSION)]
    *written, stored = connection.calls(
        [*(creating if partitions else ()), pack("HMGET", meta, "partitions", "protocol")]
    )
    if isinstance(stored, ServerError):
        raise stored
    if stored[0] is None and not partitions:
        return 0, VERSION
    if stored[0] is None:  # nothing there, and the server takes no writes
        refused: list[Reply] = [reply for reply in written if isinstance(reply, ServerError)]
        raise refused[0] if refused else ServerError(f"ERR {meta} is not complete")
    known, spoken = number_in(text(stored[0])), number_in(text(stored[1] or b"1"))
    if not 0 < known <= PARTITIONS_MAX or not spoken:
        raise ServerError(f"ERR {meta} is damaged: partitions {stored[0]!r}, protocol {stored[1]!r}")
    if spoken > VERSION:
        raise ProtocolTooNew(spoken, VERSION)
    return known, spoken
