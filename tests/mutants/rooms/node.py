"""Mutations of the worker: the node, the values that it gets and gives, the loop that it runs on."""

from __future__ import annotations

from ..mutation import Mutation

_WORKER = "tests/worker tests/services tests/simulation/test_simulation.py::test_no_invariant_is_violated"
_NODE = "tests/worker tests/differential/test_rules_routing.py tests/services"

NODE: tuple[Mutation, ...] = (
    Mutation(
        "stop_iteration_hangs",
        "worker/drumline_worker/node.py",
        "    except StopIteration as error:  # no future",
        "    except ZeroDivisionError as error:  # no future",
        _WORKER,
        "StopIteration in a sync node fails its task.",
    ),
    Mutation(
        "routers_change_the_state",
        "graph/drumline_graph/channels/reducers.py",
        "        return _OnPrivateCopies(self._reducer)\n",
        "        return self._reducer\n",
        "tests/graph/test_in_place.py " + _NODE,
        "A reducer that changes in place does not reach the state through a router.",
    ),
    Mutation(
        "cache_without_bound",
        "transport/drumline_transport/cell_cache.py",
        "            while self.bytes > self.bytes_max:",
        "            while self.bytes < 0:",
        _WORKER,
        "A worker keeps large values within a budget.",
    ),
    Mutation(
        "old_version_replaces_new",
        "transport/drumline_transport/cell_cache.py",
        "                if old.version > seen.version or old is seen:",
        "                if old is seen:",
        _WORKER,
        "An older version of a cell does not take the place of a newer one.",
    ),
    Mutation(
        "other_branch_taken",
        "protocol/drumline_protocol/seen_cells.py",
        "behind = branch_of(rows, at.version, known=seen.version)",
        "behind = sorted(rows)",
        _WORKER,
        "A delta of another branch is not a delta of this one.",
    ),
    Mutation(
        "clone_shares_what_was_set",
        "protocol/drumline_protocol/pristine.py",
        "        set_chosen(made, chosen.copy())",
        "        set_chosen(made, chosen)",
        _WORKER,
        "A clone of a message shares nothing that can be changed.",
    ),
    Mutation(
        "clone_shares_the_fields",
        "protocol/drumline_protocol/pristine.py",
        "        own = fields.copy()\n",
        "        own = fields\n",
        _WORKER,
        "A clone of a message shares nothing that can be changed.",
    ),
    Mutation(
        "blobs_put_again",
        "worker/drumline_worker/sender.py",
        "                    batch.blobs = []  # the broker has them\n",
        "",
        _WORKER,
        "What the broker has is not put again.",
    ),
    Mutation(
        "one_prefix_for_all_results",
        "worker/drumline_worker/results.py",
        '{self._nonce}-{next(self._numbers)}-"',
        '{self._nonce}-"',
        _WORKER,
        "Two executions never share a blob.",
    ),
    Mutation(
        "answers_of_any_size",
        "worker/drumline_worker/results.py",
        "        if len(data) > _VALUES_BYTES_MAX:\n            raise _too_large",
        "        if len(data) < 0:\n            raise _too_large",
        _WORKER,
        "An answer that fits into no entry fails where it was made.",
    ),
    Mutation(
        "stop_ends_the_loop",
        "worker/drumline_worker/loop.py",
        "        except (SystemExit, KeyboardInterrupt) as error:  # asyncio lets these two through",
        "        except ZeroDivisionError as error:",
        _WORKER,
        "SystemExit in a task that an async node started does not end the loop.",
    ),
    Mutation(
        "clone_ahead_goes_to_two",
        "protocol/drumline_protocol/pristine.py",
        "            return self._ahead.pop()\n",
        "            return self._ahead[-1]\n",
        "tests/worker/test_pristine.py tests/worker/test_values.py",
        "A clone that was made ahead belongs to one task.",
    ),
    Mutation(
        "clone_ahead_shares_what_is_new",
        "protocol/drumline_protocol/pristine.py",
        "            elif key in self._makes:\n                item = self._makes[key]()\n",
        "",
        "tests/worker/test_pristine.py tests/worker/test_values.py",
        "A clone that was made ahead has clones of its own of what a later version adds.",
    ),
    Mutation(
        "state_waits_for_the_collector",
        "worker/drumline_worker/context.py",
        "    context._config = None  # code of the task",
        "    del context  # code of the task",
        "tests/worker/test_freed.py",
        "The state of a task is free when the task has ended.",
    ),
    Mutation(
        "written_again_is_not_seen",
        "client/drumline/threads/growth.py",
        "        self._known.update(map(id, items[self._count :]))\n",
        "        self._known.update(map(id, items[:1]))\n",
        "tests/threads/test_growth.py",
        "What was changed in place and written again is kept again, however long the list has grown.",
    ),
)
