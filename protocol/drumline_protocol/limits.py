"""Every bound of the system, named, with its unit last. What is not bounded here is bounded by nothing.

Settings may lower or raise those that a service names in its own settings; the rest are part of the protocol: all
processes of a cluster must agree on them, so they change only with the protocol version.
"""

from __future__ import annotations

# -- values and entries ----------------------------------------------------------------------------

#: One encoded value (a channel's cell, a node's input, an event's payload). Bigger ones are refused where they arise.
VALUE_BYTES_MAX = 128 * 1024 * 1024

#: What one entry of an inbox may hold. A worker moves the large values of a result out of it (`NAMED_BYTES_MIN`), and
#: refuses, where it was made, what is larger all the same: an event, a question, a result of very many small values.
ENTRY_BYTES_MAX = 16 * 1024 * 1024

#: A cell up to this size travels inside the messages of the tasks that read it. A larger one lies in the cell store,
#: and messages name its version: most steps change a little of it, and a worker that has seen it reads just that.
CELL_INLINE_BYTES_MAX = 2 * 1024

#: Checkpoints of graphs that the code of one task calls, which travel with its question and come back with its answer.
CARRIED_BYTES_MAX = 4 * 1024 * 1024

#: A value of a result, or the argument of a Send, that takes more than this is put under a name of its own. A name
#: costs a key of Redis, about 200 bytes, and a read by everybody who needs the value, which takes about as long as
#: copying 64 KiB does; and a value that stays is written up to four times (result, fact, plan, task).
NAMED_BYTES_MIN = 16 * 1024

#: A result that is larger than this with the values that stayed in it is gone through again for smaller ones, down to
#: `NAMED_CROWDED_BYTES_MIN`: thousands of Sends of a few KiB each must not make an entry of many MiB.
RESULT_INLINE_BYTES_MAX = 1024 * 1024

#: No value that takes less than this is put under a name: the name would not be shorter by much.
NAMED_CROWDED_BYTES_MIN = 256

#: Values that the argument of one Send takes from elsewhere: each is copied for the task.
HOLES_MAX = 256

#: Containers and items of an argument that are looked through for such values.
HOLES_LOOK_ITEMS_MAX = 10_000

#: The id of a blob: the id of its run, and what tells the values of that run apart.
BLOB_ID_CHARS_MAX = 512

#: Lists and dicts inside one another, between two typed values. msgpack itself enforces it, with bounds of its own that
#: differ a little between versions (511 in msgpack 1.1, 1,023 in 1.2).
NESTING_MAX = 1000

#: Typed values (tuples, sets, dataclasses, messages, ...) inside one another. Each level costs a nested decoding.
TYPED_NESTING_MAX = 64

#: Calls of `@task`s inside one another, on a cluster. The path of each holds that of its caller.
CALLS_DEEP_MAX = 12

#: Items of one list, set or dict. A forged count allocates no more than this before its bytes turn out to be missing.
CONTAINER_ITEMS_MAX = 2**20

#: Items of a whole value: every scalar, list, dict and key of it, at all levels together. A byte may be an item, and an
#: item takes up to a hundred bytes in memory, so that bytes alone bound neither memory nor time.
VALUE_ITEMS_MAX = 2**21

#: Typed values (tuples, sets, dates, objects, ...) in a whole value; an object of a class counts twice. They take more
#: time and memory than plain items.
VALUE_TYPED_MAX = 2**18

#: Keys of one dict, or members of one set, that have the hash of another one. Looking them up takes quadratic time.
EQUAL_HASHES_MAX = 256

#: An int beyond 64 bits, in two's complement.
BIG_INT_BYTES_MAX = 4096

#: The digits, sign and exponent of a Decimal as text.
DECIMAL_CHARS_MAX = 4096

#: The text of a regular expression.
PATTERN_CHARS_MAX = 16 * 1024

#: Dimensions of an array: what numpy allows.
ARRAY_DIMENSIONS_MAX = 64

# -- errors on the wire ----------------------------------------------------------------------------

#: The message of an exception that crosses the wire; the rest is cut off, and the text says so.
FAILURE_MESSAGE_CHARS_MAX = 8 * 1024

#: The traceback text that travels with an exception; cut in its middle, since both ends tell most.
FAILURE_TRACEBACK_CHARS_MAX = 32 * 1024

#: The encoded constructor arguments of an exception. Bigger ones stay behind; the message goes on its own.
FAILURE_ARGS_BYTES_MAX = 64 * 1024

#: Notes (PEP 678) that travel with an exception.
FAILURE_NOTES_MAX = 32

#: Exceptions that travel as one: the causes of an exception, the members of its groups, those in its attributes.
FAILURE_PARTS_MAX = 32

#: Attributes that travel with one exception, and those of its attributes that are named as left behind.
FAILURE_ATTRIBUTES_MAX = 64

#: One encoded attribute of an exception. A bigger one is left behind by name.
FAILURE_ATTRIBUTES_BYTES_MAX = 64 * 1024

#: Arguments and attributes of an exception, with those of all that travel with it.
FAILURE_STATE_BYTES_MAX = 256 * 1024

#: Lines of a pydantic `ValidationError` that travel; it counts those that it has.
FAILURE_DETAILS_MAX = 100

#: The text of an input in such a line that cannot travel as itself.
FAILURE_INPUT_CHARS_MAX = 200

# -- reading stored values -------------------------------------------------------------------------

#: Cells and blobs that one trip to the server asks for. More are asked for in several.
READ_NAMES_MAX = 500

#: Versions of one cell that one trip brings.
READ_ROWS_MAX = 2000

#: Versions of a cell from a base on: with more of them a new base is written, if they are short.
CELL_ROWS_MAX = 1000

#: Such versions are short below this, on average. A new base for longer ones would double what a long talk takes.
CELL_ROW_BYTES_MIN = 256

# -- dispatch --------------------------------------------------------------------------------------

#: Tasks that one commit may send out. A wider superstep leaves in several windows.
DISPATCH_WINDOW_ENTRIES_MAX = 1000

#: Bytes of tasks that one commit may send out (a single bigger task goes alone).
DISPATCH_WINDOW_BYTES_MAX = 1024 * 1024

#: How often a task may be begun when workers keep vanishing with it, before it has failed (`TaskLost`).
ATTEMPTS_MAX = 5

#: Workers that a task may lose in company. From then on it is a suspect and runs alone, so that what it loses further
#: is its own doing, and others are spared.
DEATHS_IN_COMPANY_MAX = 2

#: How often a task may be begun in all, why ever its attempts are retracted: a broker may lose entries again and again.
BEGINNINGS_MAX = 50

#: After a takeover, how often an entry may bring its coordinator down before its run fails (`PoisonedRun`).
POISON_TRIES_MAX = 3

#: Entries that a coordinator takes from its inbox at once, and so the most that one commit answers.
INBOX_BATCH_ENTRIES_MAX = 500

#: Bytes of entries that a coordinator takes from its inbox at once: a batch is answered by one commit.
INBOX_BATCH_BYTES_MAX = 4 * 1024 * 1024

#: Bytes of log after which a new head is written to the run's record: a new owner reads the head and what is behind it.
HEAD_AFTER_BYTES_MIN = 256 * 1024

#: Bytes of facts in one log entry. A burst that takes more becomes several entries, so that readers take it in
#: portions.
LOG_ENTRY_BYTES_MAX = 1024 * 1024

#: Bytes that an inbox may hold. Workers wait beyond it, and so in the end do the nodes that write faster than their
#: coordinator reads.
INBOX_BYTES_MAX = 32 * 1024 * 1024

#: Bytes that are kept of one run's log (a setting). Of a longer one the oldest entries go: a node that never ends would
#: fill Redis, and stop everybody.
RUN_LOG_BYTES_MAX = 1024 * 1024 * 1024

#: Entries that could not be handled, and that a partition keeps for an operator.
DEAD_ENTRIES_MAX = 1000

#: What is kept of an entry that could not be handled. A bigger one is cut: it cannot be tried again.
DEAD_DATA_BYTES_MAX = 64 * 1024

#: Runs that a partition lists as having failed lately.
FAILED_RUNS_MAX = 100

#: An id or a name that stands in a key or in a list: of a run, a graph, a pool.
NAME_CHARS_MAX = 200

# -- time ------------------------------------------------------------------------------------------

#: A worker that does not renew a task's entry for this long has lost it.
TASK_LEASE_MS = 1_200

#: A coordinator that does not renew its partition for this long has lost it.
COORDINATOR_LEASE_MS = 1_200

#: A process whose user code holds the interpreter for longer than this counts as stuck, and its leases run out. Until
#: then its renewer speaks for it.
BUSY_MS_MAX = 900_000

#: A lease that claims to run for longer than this is damaged (nobody takes one for so long): it counts as run out,
#: since otherwise one wrong number would leave a partition without an owner for ever.
LEASE_MS_MAX = 600_000

#: How often each open run is looked at for tasks that its record names and no stream holds. So long it may stand still
#: after somebody deleted one by hand.
LOST_SWEEP_MS = 10_000

#: Open runs of one coordinator that such a look takes at once at most. More runs than fit are visited less often.
LOST_SWEEP_RUNS_MAX = 200

#: A consumer that holds nothing, of a worker that is not there, is forgotten after this long.
CONSUMER_FORGET_MS = 300_000

#: How long a client waits for a run to be accepted before it raises `NoCoordinator`.
ACCEPT_TIMEOUT_MS = 10_000

#: How long a node's writer waits for room in a full send buffer before it raises `WriterBlocked`.
WRITER_BLOCK_MS = 30_000

#: How long the log and the blobs of a finished run can still be read.
LOG_TTL_S = 86_400

#: How long a large value that a worker has put waits to be named by a commit, which happens when its task's answer is
#: accepted: from then on it lives as long as its run's log. What a worker left behind that died before it answered is
#: gone after this.
BLOB_UNNAMED_TTL_S = 600

#: A worker or coordinator that was not heard of for this long is no longer listed as present.
PRESENCE_TTL_MS = 15_000

#: What a worker or coordinator says of itself, as JSON. More is not read by those who look around.
PRESENCE_BYTES_MAX = 1024 * 1024

#: How far the stamp of a presence may be ahead of Redis TIME, which a change of the primary may set back a little. One
#: that is further ahead was not written by us, and counts as gone: it would never grow old.
PRESENCE_AHEAD_MS_MAX = 5_000

#: How long a client waits for a run that it deletes to be gone before it raises `NotDeleted`.
DELETE_TIMEOUT_MS = 10_000

#: How long an open run of which nothing is heard stays in its coordinator's memory. It comes back with what is heard.
IDLE_RUN_MS = 30_000

#: How often the threads of a partition are looked at for what may go (a setting). Where nothing bounds them, a tenth as
#: often: a thread may have rules of its own.
RETENTION_SWEEP_MS = 60_000

#: Threads that one turn of a keeper looks at.
RETENTION_THREADS_MAX = 50

#: A thread that changed less long ago is not pruned by itself: somebody may still read the log of its last run.
RETENTION_REST_MS = 60_000

# -- memory ----------------------------------------------------------------------------------------

#: What a worker may have gathered for sending before its writers block.
SEND_BUFFER_BYTES_MAX = 16 * 1024 * 1024

#: Large values that a worker puts in one write. A single larger one goes alone.
PUT_BYTES_MAX = 8 * 1024 * 1024

#: What a worker keeps of the large values that it has seen (a setting). Values that were read lately stay.
CACHE_BYTES_MAX = 64 * 1024 * 1024

#: How long after it was accepted a run may begin.
AFTER_MS_MAX = 366 * 86_400_000

#: Assistants that clients of gateways may make. A search looks at all of them.
ASSISTANTS_MAX = 10_000

#: Versions of one assistant that are kept; the oldest go.
ASSISTANT_VERSIONS_MAX = 100

#: What is kept of one assistant, with all its versions, as JSON.
ASSISTANT_BYTES_MAX = 1024 * 1024

# -- the store -------------------------------------------------------------------------------------

#: Vectors that a search by meaning compares with its query, one after another. More are refused (`SearchTooWide`): such
#: a store needs a vector index.
STORE_VECTORS_MAX = 10_000

#: Items of a store in Redis that one call of its script looks at for searches, so that a search over very many lets the
#: server serve others meanwhile.
STORE_PAGE_ITEMS_MAX = 500

#: Bytes of items that one such call returns (a single bigger item goes alone).
STORE_PAGE_BYTES_MAX = 1024 * 1024
