"""Every Redis key, in one place. `drumline` stands for the prefix, `3` for a partition's number.

=============================  ======  ======================================  ==================
key                            type    content                                 lifetime
=============================  ======  ======================================  ==================
drumline:meta                  hash    number of partitions, protocol version  for ever
drumline:tasks:<pool>          stream  tasks of a pool; one consumer group     entry: its task's
drumline:ctl                   stream  what every worker must hear             trimmed by length
drumline:workers               hash    worker id: pools, graphs, heartbeat     until it leaves
drumline:coordinators          hash    id: partitions, heartbeat               until it leaves
drumline:graphs                hash    graph name: fingerprints held           for ever
drumline:assistants            hash    id: assistant that a client has made    member: until deleted
{drumline:3}:requests          stream  what clients ask                        until committed
{drumline:3}:inbox             stream  what workers and keepers say            until committed
{drumline:3}:dead              stream  entries set aside, with the reason      the newest few
{drumline:3}:failed            stream  runs that failed lately                 the newest few
{drumline:3}:lease             hash    owner, epoch, commit, position, tries   for ever
{drumline:3}:open              set     ids of open runs                        member: while open
{drumline:3}:timers            zset    what is due, by Redis TIME in ms        member: until due
{drumline:3}:run:<run id>      hash    run record, open superstep              end + LOG_TTL_S
{drumline:3}:thread:<id>       hash    head of a thread, its run, its status   until deleted
{drumline:3}:history:<id>      stream  checkpoints of a thread, task writes    until deleted
{drumline:3}:values:<id>       hash    names of a thread's cells and blobs     until deleted
{drumline:3}:runs:<id>         zset    runs of a thread, by when they ended    until deleted
{drumline:3}:threads           zset    threads, by when they changed           member: until deleted
{drumline:3}:queue             stream  requests that wait for their thread     entry: until it begins
{drumline:3}:log:<run id>      stream  facts of the run                        end + LOG_TTL_S
{drumline:3}:waiting           set     runs whose tasks wait without entry     member: while so
{drumline:3}:cells:<r>:<c>     stream  versions of cell c of run r             as the run's log
{drumline:3}:cells:%t<t>:<c>   stream  versions of cell c of thread t          as the thread
{drumline:3}:blob:<blob id>    string  one large value                         as what names it
{drumline:3}:tasks:<pool>      stream  as above, on Redis Cluster only         as above
{drumline:3}:ctl               stream  as above, on Redis Cluster only         as above
{drumline:store}:*             -       items of the store (store.lua)          until deleted, or their ttl
{drumline:cache}:*             -       cached results (cache.lua)              until cleared, or their ttl
=============================  ======  ======================================  ==================

The owner of `{drumline:3}:*` is the coordinator that holds the lease of partition 3: it alone writes them, in its
commit script; clients only append to the requests, workers to the inbox. The two are read as one inbox; they are two
streams so that a client's right to ask reaches nothing that a worker said. All keys of a partition share the hash tag
`{drumline:3}`, so that on Redis Cluster they lie in one slot and one script may touch them all. There the tasks and
control messages of a partition lie in that slot too (`PartitionKeys`); elsewhere a pool has one stream, and there is
one of control messages.

Ids and pool names stand last in a key, so they may contain any character. Only behind the id of a cell's owner the name
of the cell follows: there `%` and `:` of the id are written `%25` and `%3A`, and `%t` stands before that of a thread.
"""

from __future__ import annotations

import re

#: What a prefix may look like. No braces, which would move the hash tag; no glob characters, for ACL patterns.
PREFIX_PATTERN = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")


#: what the owner of a cell begins with if it is a thread. No name of a run or thread may hold it, and no key does.
_OF_THREAD = "\udc74"


def owner_of_thread(thread: str) -> str:
    """The thread as the owner of cells and blobs: a run of the same name owns others."""
    return _OF_THREAD + thread


def owner_of_run(run_id: str, thread: str) -> str:
    """Who owns the cells and blobs of a run: its thread, or the run itself if `thread` is ""."""
    return owner_of_thread(thread) if thread else run_id


def thread_of_owner(owner: str) -> str | None:
    """The thread that an owner of cells is; None for a run."""
    return owner[1:] if owner.startswith(_OF_THREAD) else None


class Keys:
    """The key names of one cluster. Clusters that share a Redis differ in `prefix`."""

    __slots__ = ("_tag", "prefix")

    def __init__(self, prefix: str = "drumline") -> None:
        if not PREFIX_PATTERN.fullmatch(prefix):
            raise ValueError(f"{prefix!r} cannot be a key prefix: use 1 to 64 letters, digits and _ . : / -")
        self.prefix = prefix
        self._tag = "{" + prefix + ":"

    def __repr__(self) -> str:
        return f"Keys({self.prefix!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keys) and self.prefix == other.prefix

    def __hash__(self) -> int:
        return hash(self.prefix)

    # -- of the whole cluster ----------------------------------------------------------------------

    def meta(self) -> str:
        """Number of partitions and protocol version."""
        return f"{self.prefix}:meta"

    def tasks(self, pool: str, partition: int | None = None) -> str:
        """The task stream of a pool; with `partition` that partition's own one (Redis Cluster)."""
        if partition is None:
            return f"{self.prefix}:tasks:{pool}"
        return f"{self._tag}{partition}}}:tasks:{pool}"

    def ctl(self, partition: int | None = None) -> str:
        """The control stream that every worker reads; with `partition` that partition's own one (Redis Cluster)."""
        return f"{self.prefix}:ctl" if partition is None else f"{self._tag}{partition}}}:ctl"

    def workers(self) -> str:
        """Workers that are there."""
        return f"{self.prefix}:workers"

    def coordinators(self) -> str:
        """Coordinators that are there."""
        return f"{self.prefix}:coordinators"

    def graphs(self) -> str:
        """Graphs that workers hold."""
        return f"{self.prefix}:graphs"

    def assistants(self) -> str:
        """Assistants that clients of gateways have made."""
        return f"{self.prefix}:assistants"

    def store(self) -> str:
        """What every key of the cluster's store begins with: they lie in one slot. `store.lua` makes their names."""
        return f"{self._tag}store}}"

    def cache(self) -> str:
        """What every key of a cache begins with: they lie in one slot. `cache.lua` makes their names."""
        return f"{self._tag}cache}}"

    # -- of a partition ----------------------------------------------------------------------------

    def tag(self, partition: int) -> str:
        """What every key of the partition begins with: `{prefix:partition}`."""
        return f"{self._tag}{partition}}}"

    def requests(self, partition: int) -> str:
        """What clients ask of the partition's coordinator."""
        return f"{self._tag}{partition}}}:requests"

    def inbox(self, partition: int) -> str:
        """What workers and keepers say to the partition's coordinator."""
        return f"{self._tag}{partition}}}:inbox"

    def dead(self, partition: int) -> str:
        """Entries that could not be handled."""
        return f"{self._tag}{partition}}}:dead"

    def failed(self, partition: int) -> str:
        """Runs that failed lately."""
        return f"{self._tag}{partition}}}:failed"

    def lease(self, partition: int) -> str:
        """Who owns the partition, and up to where that is committed."""
        return f"{self._tag}{partition}}}:lease"

    def open(self, partition: int) -> str:
        """Open runs."""
        return f"{self._tag}{partition}}}:open"

    def timers(self, partition: int) -> str:
        """What is due when."""
        return f"{self._tag}{partition}}}:timers"

    def run(self, partition: int, run_id: str) -> str:
        """A run's record."""
        return f"{self._tag}{partition}}}:run:{run_id}"

    def thread(self, partition: int, thread_id: str) -> str:
        """The head of a thread."""
        return f"{self._tag}{partition}}}:thread:{thread_id}"

    def history(self, partition: int, thread_id: str) -> str:
        """The checkpoints of a thread, and what the tasks behind them have written."""
        return f"{self._tag}{partition}}}:history:{thread_id}"

    def values(self, partition: int, thread_id: str) -> str:
        """The names of a thread's cells and blobs."""
        return f"{self._tag}{partition}}}:values:{thread_id}"

    def runs(self, partition: int, thread_id: str) -> str:
        """The runs of a thread of which something may be left."""
        return f"{self._tag}{partition}}}:runs:{thread_id}"

    def threads(self, partition: int) -> str:
        """The threads of the partition, by when they changed."""
        return f"{self._tag}{partition}}}:threads"

    def queue(self, partition: int) -> str:
        """Requests that wait until the run before them on their thread has ended."""
        return f"{self._tag}{partition}}}:queue"

    def record(self, partition: int, owner: str) -> str:
        """The hash that names the cells and blobs of their owner: a run's record, or the values of a thread."""
        thread = thread_of_owner(owner)
        return self.run(partition, owner) if thread is None else self.values(partition, thread)

    def log(self, partition: int, run_id: str) -> str:
        """A run's log."""
        return f"{self._tag}{partition}}}:log:{run_id}"

    def waiting(self, partition: int) -> str:
        """Runs that have tasks which wait without an entry of a task stream."""
        return f"{self._tag}{partition}}}:waiting"

    def cells(self, partition: int, owner: str, cell: str) -> str:
        """The versions of a cell of `owner`: a run, or `owner_of_thread`. `commit.lua` makes this name too."""
        thread = thread_of_owner(owner)
        if thread is not None:
            return self.cells(partition, thread, cell).replace(":cells:", ":cells:%t", 1)
        if ":" in owner or "%" in owner:
            owner = owner.replace("%", "%25").replace(":", "%3A")
        return f"{self._tag}{partition}}}:cells:{owner}:{cell}"

    def blob(self, partition: int, blob_id: str) -> str:
        """One large value."""
        return f"{self._tag}{partition}}}:blob:{blob_id}"


class PartitionKeys(Keys):
    """The key names that one partition has on a Redis Cluster: all that it works with lies in its slot."""

    __slots__ = ("_partition",)

    def __init__(self, prefix: str, partition: int) -> None:
        super().__init__(prefix)
        self._partition = partition

    def tasks(self, pool: str, partition: int | None = None) -> str:
        """The partition's own task stream of a pool."""
        return super().tasks(pool, self._partition if partition is None else partition)

    def ctl(self, partition: int | None = None) -> str:
        """The partition's own control stream."""
        return super().ctl(self._partition if partition is None else partition)
