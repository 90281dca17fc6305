"""Errors of the wire and of the cluster. Each class docstring is the page of the manual for that error.

    DrumlineError               everything that drumline raises (drumline_graph.errors)
      WireError                 bytes and values
        EncodeError             a value cannot be sent                (fault: what made the value)
        DecodeError             bytes are not what we write           (fault: who wrote them)
        ProtocolTooNew          an entry of a newer drumline          (fault: the deployment)
        ValueMissing            a large value is not there any more
          CellMissing           a version of a channel's value        (fault: the message is old, or keys were deleted)
          BlobMissing           a value under a name of its own       (fault: the same)
      ClusterError              the cluster as a whole
        NoBroker                Redis does not answer                 (fault: address, network)
        EvictingBroker          Redis may delete what it should keep  (fault: Redis' settings)
        PartitionMismatch       another number of partitions          (fault: our settings)
        NoCoordinator           nobody accepts runs                   (fault: the deployment)
          NoCluster             no coordinator was ever there         (fault: the deployment, or the prefix)
          NotDeleted            nobody deletes a run                  (fault: the deployment)
        NoWorker                nobody takes tasks: a warning         (fault: the deployment)
        UnknownGraph            no worker holds such a graph          (fault: name or deployment)
        GraphMismatch           workers hold another version of it    (fault: the deployment)
          ThreadMismatch        a thread was left by another one      (fault: the deployment)
        WriterBlocked           more events than Redis takes          (fault: load)
      RunError                  one run
        InvalidRequest            a run was asked for in a way that cannot be     fault: the client
        RunIdTaken              that id names another run             (fault: the caller)
        UnknownRun              there is no run of that id            (fault: the id, or too late)
        RunExpired              its log was there, and is gone        (fault: the reader: too late)
        LogGap                  a part of its log is gone             (fault: data lost)
          LogTrimmed            because it is long                    (fault: none, or the bound)
        InvalidPosition         a position that we did not give out   (fault: the caller)
        ModeNotRecorded         the run does not record that mode     (fault: the caller)
        LangChainMissing        a message that cannot be read here    (fault: the installation)
        RunCancelled            somebody ended the run                (nobody's fault)
        UnknownThread           there is no thread of that id         (fault: the id)
        ThreadExists            a thread of that id is there already  (fault: the caller)
        ThreadBusy              another run holds the thread          (fault: the caller)
        ThreadMoved             somebody else changed the thread      (fault: the caller)
        TaskLost                each worker that began it vanished    (fault: node, or machine)
        PoisonedRun             the run kills its coordinator         (fault: drumline; report it)
        DamagedRun              what Redis holds of it is not whole   (fault: Redis, or who wrote to it)
        RemoteError             a class that is not known here        (fault: the node)
      ThreadError               what is kept of a thread
        ThreadConflict          two runs wrote to it at once          (fault: the caller)
        ThreadDamaged           rows of it are gone                   (fault: data lost)

Every class can be built again from its `args`, which are plain data: so it crosses the wire and is raised on the client
as what it was.
"""

from __future__ import annotations

from drumline_graph.errors import DrumlineError
from drumline_protocol.errors_cluster import (
    ClusterError,
    EvictingBroker,
    GraphMismatch,
    NoBroker,
    NoCluster,
    NoCoordinator,
    NotDeleted,
    NoWorker,
    PartitionMismatch,
    ThreadMismatch,
    UnknownGraph,
    WriterBlocked,
    without_password,
)
from drumline_protocol.errors_run import (
    DamagedRun,
    InvalidPosition,
    InvalidRequest,
    LangChainMissing,
    LogGap,
    LogTrimmed,
    ModeNotRecorded,
    PoisonedRun,
    RemoteError,
    RunCancelled,
    RunError,
    RunExpired,
    RunIdTaken,
    TaskLost,
    ThreadBusy,
    ThreadExists,
    ThreadMoved,
    UnknownRun,
    UnknownThread,
)
from drumline_protocol.errors_threads import ThreadConflict, ThreadDamaged, ThreadError
from drumline_protocol.errors_wire import (
    BlobMissing,
    CellMissing,
    DecodeError,
    EncodeError,
    ProtocolTooNew,
    ValueMissing,
    WireError,
)

__all__ = [
    "BlobMissing",
    "CellMissing",
    "ClusterError",
    "DamagedRun",
    "DecodeError",
    "DrumlineError",
    "EncodeError",
    "EvictingBroker",
    "GraphMismatch",
    "InvalidPosition",
    "InvalidRequest",
    "LangChainMissing",
    "LogGap",
    "LogTrimmed",
    "ModeNotRecorded",
    "NoBroker",
    "NoCluster",
    "NoCoordinator",
    "NoWorker",
    "NotDeleted",
    "PartitionMismatch",
    "PoisonedRun",
    "ProtocolTooNew",
    "RemoteError",
    "RunCancelled",
    "RunError",
    "RunExpired",
    "RunIdTaken",
    "TaskLost",
    "ThreadBusy",
    "ThreadConflict",
    "ThreadDamaged",
    "ThreadError",
    "ThreadExists",
    "ThreadMismatch",
    "ThreadMoved",
    "UnknownGraph",
    "UnknownRun",
    "UnknownThread",
    "ValueMissing",
    "WireError",
    "WriterBlocked",
    "without_password",
]

# The name of a class travels with a failure: it is this module's, wherever the class is written, so that processes of
# several versions know it, and so that a traceback names the place to import it from.
for _class in list(vars().values()):
    if isinstance(_class, type) and _class.__module__.startswith(f"{__name__}_"):
        _class.__module__ = __name__
