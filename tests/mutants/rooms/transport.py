"""Mutations of the transport: the lines to the broker, the double; scripts have a file of their own."""

from __future__ import annotations

from ..mutation import Mutation
from .scripts import COMMIT, LEASE, SCRIPTS, TASKS

_REAL = (
    "tests/transport/test_lines_kept.py tests/transport/test_contract_kept.py tests/transport/test_real_servers.py "
    "tests/transport/test_contract_commit.py tests/client/test_whole.py"
)
_UNLOADED = "tests/transport/test_unloaded.py"

TRANSPORT: tuple[Mutation, ...] = (
    *SCRIPTS,
    Mutation(
        "publish_acknowledges_at_once",
        "transport/drumline_transport/redis_worker.py",
        "self._publish(entries[start:end], done if last else [])",
        "self._publish(entries[start:end], done)",
        TASKS,
        "A long burst acknowledges its task with its last part.",
    ),
    Mutation(
        "publish_drops_the_rest",
        "transport/drumline_transport/redis_worker.py",
        "            start = end",
        "            return",
        TASKS,
        "Every part of a long burst is stored.",
    ),
    Mutation(
        "script_loaded_never",
        "transport/drumline_transport/line.py",
        'connection.call("SCRIPT", "LOAD", script.text, timeout_s=timeout_s)',
        'connection.call("PING", timeout_s=timeout_s)',
        _REAL,
        "A script that the server forgot is loaded again.",
    ),
    Mutation(
        "survey_loads_no_script",
        "transport/drumline_transport/redis_keeper.py",
        "        if isinstance(known, list):",
        "        if isinstance(known, tuple):",
        _UNLOADED,
        "A keeper loads in each turn what the server forgot, for roles that may not.",
    ),
    Mutation(
        "who_may_not_load_gives_up",
        "transport/drumline_transport/line.py",
        '        if refusal.code != "NOPERM":',
        '        if refusal.code != "":',
        _UNLOADED,
        "Who may not load a script waits for somebody who does.",
    ),
    Mutation(
        "cut_entry_goes_back",
        "transport/drumline_transport/dead.py",
        "        if self.whole_bytes:",
        "        if self.whole_bytes < 0:",
        COMMIT,
        "An entry of which a part was kept is not put back.",
    ),
    Mutation(
        "task_goes_back_to_the_inbox",
        "transport/drumline_transport/redis_client.py",
        "        if pool is not None:",
        "        if pool is None and not entry.source:",
        COMMIT,
        "An entry goes back to where it lay.",
    ),
    Mutation(
        "commit_script_lost",
        "transport/drumline_transport/redis_commits.py",
        '        if code == "NOSCRIPT":\n            self._script_lost = True',
        '        if code == "NOSCRIPT":\n            self._script_lost = False',
        _REAL,
        "Commits go on after SCRIPT FLUSH.",
    ),
    Mutation(
        "oom_is_diverged",
        "transport/drumline_transport/redis_commits.py",
        'if code == "NOSCRIPT" or code in PASSING or code in UNWELCOME:',
        'if code == "NOSCRIPT" or code in UNWELCOME:',
        _REAL,
        "A commit that a full server refuses is sent again.",
    ),
    Mutation(
        "commits_overtake",
        "transport/drumline_transport/redis_commits.py",
        "        elif sent.partition in self._held:\n            self._again.append(sent)\n            return\n",
        "",
        _REAL,
        "Behind a commit that waits, later ones of its partition wait.",
    ),
    Mutation(
        "unanswered_commits_lost",
        "transport/drumline_transport/redis_commits.py",
        "self._queue.extendleft(reversed([*self._again, *self._in_flight]))",
        "self._queue.extendleft(reversed(self._again))",
        _REAL,
        "Commits without a reply are sent again on a new connection.",
    ),
    Mutation(
        "readonly_waits_on",
        "transport/drumline_transport/line.py",
        "        if code in ELSEWHERE:\n            self._drop()\n            self._dialer.astray()\n",
        "",
        _REAL,
        "After READONLY another connection is tried.",
    ),
    Mutation(
        "passing_is_final",
        "transport/drumline_transport/line.py",
        "        if code not in PASSING:\n            raise refusal",
        "        if code:\n            raise refusal",
        _REAL,
        "A refusal that passes is waited for.",
    ),
    Mutation(
        "busy_goes_to_the_pool",
        "transport/drumline_transport/redis_client.py",
        "if not connection.busy and not self.dialer.closed.is_set():",
        "if not self.dialer.closed.is_set():",
        _REAL,
        "A connection with a reply on its way never goes back to the pool.",
    ),
    Mutation(
        "cancelled_read_stays",
        "transport/drumline_transport/redis_client.py",
        "the reply must not meet another caller\n            self._drop()\n",
        "the reply must not meet another caller\n",
        _REAL,
        "A read that was cancelled closes its connection.",
    ),
    Mutation(
        "others_log_shown",
        "transport/drumline_transport/redis_client.py",
        "            check_streams(reply, (self._name,))",
        "            check_streams(reply, (self._name, *(row[0] for row in reply or ())))",
        _REAL,
        "A reader never takes the reply of another log.",
    ),
    Mutation(
        "log_of_one_page",
        "transport/drumline_transport/redis_coordinator.py",
        "            if len(page) < _LOG_PAGE:\n                return entries",
        "            return entries",
        _REAL,
        "A long log is loaded whole.",
    ),
    Mutation(
        "position_of_one_stream",
        "transport/drumline_transport/inbox_reader.py",
        "ids = [*(position.requests for position in after.values()), *(position.inbox for",
        "ids = [*(position.inbox for position in after.values()), *(position.inbox for",
        COMMIT,
        "Each of the two streams of an inbox is read behind its own position.",
    ),
    Mutation(
        "double_ignores_epochs",
        "transport/drumline_transport/memory_server.py",
        "        elif lease.epoch != commit.epoch:",
        "        elif lease.epoch < commit.epoch:",
        COMMIT,
        "The double refuses a commit of another epoch.",
    ),
    Mutation(
        "double_lease_early",
        "transport/drumline_transport/memory.py",
        'if lease.owner not in ("", nonce) and lease.until_ms > now:',
        'if lease.owner not in ("", nonce) and lease.until_ms > now + 500:',
        LEASE,
        "The double gives no lease that runs to another.",
    ),
    Mutation(
        "idle_means_pending",
        "transport/drumline_transport/memory.py",
        "if entry_id > after and idle >= idle_ms:",
        "if entry_id > after:",
        TASKS,
        "The double reports what nobody has renewed, and no more.",
    ),
)
