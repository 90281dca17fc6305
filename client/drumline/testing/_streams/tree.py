"""One stream as a tree, written out as lines: what two streams of one graph must agree on, and nothing else.

A stream that has the `tasks` (or `debug`) mode in it is read as a tree: level (one graph run, by namespace) > superstep
> task > what the task emitted, child levels among it. The tree is written out as lines in planning order, so that two
streams give the same lines if and only if they agree on:

* the start events of each superstep, in order, and that they come before all else of the step (O1);
* each task's own sequence: its custom, messages, child graphs, `updates`, result (O2, O3, O8);
* that `values` closes the step, after every result and before the next step's starts (O5, O7);
* every payload (see `normal.show`).

How the events of different tasks of one step interleave (O4) is lost on purpose. A called `@task` belongs to the step
of its caller; which call is which is told by names and arguments. A custom event does not say which task
wrote it: it is given to the step's only task, else to the task named by the payload's "lane" key; what is left, or what
several tasks of one name wrote, is compared as a multiset within the step.

When a task of a step failed, its siblings may or may not have come to their end: those that did in both streams must be
equal. A stream without start events should be compared by `exact_difference`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from drumline.testing._streams.shown import UUID, Item, Recorded, rename_ids, show, show_error, show_payload

INTERRUPT = "__interrupt__"


@dataclass(slots=True)
class _Task:
    id: str
    name: str
    label: str
    entries: list[tuple[float, str | _Level]] = field(default_factory=list)
    done: bool = False
    failed: bool = False
    called: bool = False

    def lines(self, tree: Tree) -> Iterator[str]:
        entries = [entry for _, entry in sorted(self.entries, key=lambda pair: pair[0])]
        last = {id(entry): position for position, entry in enumerate(entries)}
        seen: set[int] = set()
        for position, entry in enumerate(entries):
            if isinstance(entry, str):
                yield entry
                continue
            if id(entry) not in seen:
                seen.add(id(entry))
                yield from tree.level_lines(entry)
                open_until = last[id(entry)]
                if any(other is not entry for other in entries[position:open_until]):
                    entries[open_until] = f"end of {entry.label}"


@dataclass(slots=True)
class _Step:
    tasks: dict[str, _Task] = field(default_factory=dict)
    starts: list[str] = field(default_factory=list)
    updates: list[tuple[int, str, Any, str]] = field(default_factory=list)
    # `updates` and `values` of tasks that ask the caller: number, ids of the interrupts, text
    asked: list[tuple[int, set[str], str]] = field(default_factory=list)
    loose: dict[str, list[str]] = field(default_factory=dict)
    tail: list[str] = field(default_factory=list)
    running: bool = False

    def in_order(self) -> list[_Task]:
        """Planned tasks as they started, then called ones by their names and arguments: those start when they like."""
        called = sorted((task for task in self.tasks.values() if task.called), key=lambda task: task.label)
        return [*(task for task in self.tasks.values() if not task.called), *called]

    def named(self, name: str) -> list[_Task]:
        return [task for task in self.tasks.values() if task.name == name]

    def by_ns(self, checkpoint_ns: Any) -> _Task | None:
        """The task that a `langgraph_checkpoint_ns` ("parent:id|node:id") ends in."""
        ids = UUID.findall(str(checkpoint_ns))
        return self.tasks.get(ids[-1]) if ids else None


@dataclass(slots=True)
class _Level:
    ns: tuple[str, ...]
    label: str
    steps: list[_Step] = field(default_factory=list)
    names: Counter[str] = field(default_factory=Counter)

    @property
    def step(self) -> _Step:
        if not self.steps:
            self.steps.append(_Step())
        return self.steps[-1]


class Tree:
    """One stream as a tree; `lines` after `read`."""

    def __init__(self, recorded: Recorded) -> None:
        self.levels: dict[tuple[str, ...], _Level] = {}
        self.ids: dict[str, str] = {}
        # Task label -> its lines, or None if it has no result event: siblings of failed tasks.
        self.racy: dict[str, list[str] | None] = {}
        self.failed: set[str] = set()
        self.ended_badly = recorded.error is not None
        for number, item in enumerate(recorded.items):
            self._add(number, item)
        root = self.levels.get((), _Level((), ""))
        lines = [*self.level_lines(root), *self._orphans()]
        self.raised = [] if recorded.error is None else [f"raised {show_error(recorded.error)}"]
        self.lines = list(rename_ids(lines, self.ids))
        for label, lane in self.racy.items():
            self.racy[label] = None if lane is None else list(rename_ids(lane, self.ids))

    # -- reading --------------------------------------------------------------------------------

    def _level(self, ns: tuple[str, ...], number: int) -> _Level:
        if ns not in self.levels:
            label = UUID.sub(lambda m: self.ids.get(m[0], m[0]), "|".join(ns))
            self.levels[ns] = _Level(ns, label)
        level = self.levels[ns]
        parent = self.levels.get(_parent(ns)) if ns else None
        if parent is not None and any(step.tasks for step in parent.steps):
            found = UUID.search(ns[len(parent.ns)])
            owner = parent.step.tasks.get(found[0]) if found else None
            if owner is not None:
                owner.entries.append((number, level))
                self._level(parent.ns, number)
            else:
                parent.step.tail.append(f"LATE event of {level.label}")
        return level

    def _add(self, number: int, item: Item) -> None:
        level = self._level(item.ns, number)
        text = f"{item.mode} {show_payload(item.mode, item.payload)}"
        payload = item.payload["payload"] if item.mode == "debug" else item.payload
        if item.mode in ("tasks", "debug") and "triggers" in payload:
            self._start(level, number, payload, text)
            return
        step = level.step
        step.running = True
        if item.mode in ("values", "updates") and isinstance(item.payload, dict) and INTERRUPT in item.payload:
            step.asked.append((number, {interrupt.id for interrupt in item.payload[INTERRUPT]}, text))
        elif item.mode == "values":
            step.tail.append(text)
        elif step.tail:
            step.tail.append(f"LATE {text}")
        elif item.mode in ("tasks", "debug"):
            self._result(step, number, payload, text)
        elif item.mode == "updates":
            name = next(iter(item.payload), None)
            step.updates.append((number, str(name), item.payload.get(name), text))
        else:
            task, lane = _writer_of(step, item)
            if task is not None:
                task.entries.append((number, text))
            else:
                step.loose.setdefault(lane, []).append(text)

    def _start(self, level: _Level, number: int, payload: Mapping[str, Any], text: str) -> None:
        called = bool(level.steps) and _is_call(level.step, payload)
        if not level.steps or (level.step.running and not called):
            level.steps.append(_Step())
        step, id_, name = level.step, payload["id"], payload["name"]
        if id_ not in step.tasks:
            shown = f"{name}{show(payload['input'])}" if called else name
            level.names[shown] += 1
            prefix = f"{level.label}/" if level.label else ""
            self.ids[id_] = f"{prefix}{shown}#{level.names[shown]}"
            step.tasks[id_] = _Task(id_, name, self.ids[id_], called=called)
        if called:
            step.tasks[id_].entries.append((number, f"start {text}"))
        else:
            step.starts.append(f"start {text}")

    def _result(self, step: _Step, number: int, payload: Mapping[str, Any], text: str) -> None:
        task = step.tasks.get(payload["id"])
        if task is None:
            step.loose.setdefault("not started", []).append(text)
            return
        if payload["interrupts"]:
            ids = {interrupt["id"] for interrupt in payload["interrupts"]}
            task.entries += [(at, said) for at, of, said in step.asked if of == ids]
            step.asked = [entry for entry in step.asked if entry[1] != ids]
        elif not task.done:
            self._pair_update(step, number, task, payload["result"])
        task.done = True
        task.failed = task.failed or payload["error"] is not None
        task.entries.append((number, text))

    @staticmethod
    def _pair_update(step: _Step, number: int, task: _Task, result: Any) -> None:
        """Give the task the `updates` item that says the same as its result.

        Of several that do (tasks of one name that wrote the same) nobody can tell which is whose: then it is placed
        right before the result.
        """
        own = [update for update in step.updates if update[1] == task.name]
        equal = [update for update in own if _writes(update[2]) == _writes(result)]
        if own:
            chosen = (equal or own)[0]
            step.updates.remove(chosen)
            task.entries.append((number - 0.5 if len(equal) > 1 else chosen[0], chosen[3]))

    # -- writing --------------------------------------------------------------------------------

    def level_lines(self, level: _Level) -> Iterator[str]:
        indent = "  " if level.ns else ""
        if level.ns:
            yield f"graph {level.label}"
        for number, step in enumerate(level.steps):
            yield f"{indent}step {number}"
            for line in self._step_lines(step, last=number + 1 == len(level.steps)):
                yield f"{indent}  {line}"

    def _step_lines(self, step: _Step, *, last: bool) -> Iterator[str]:
        yield from step.starts
        self._give_left_updates(step)
        # A run may also end before the result of the task that failed is delivered.
        cut_off = last and self.ended_badly and not all(task.done for task in step.tasks.values())
        # The error of a call is its caller's, who may go on.
        racy = cut_off or any(task.failed and not task.called for task in step.tasks.values())
        for task in step.in_order():
            lines = list(task.lines(self))
            if racy:
                self.racy[task.label] = lines if task.done else None
                if task.failed:
                    self.failed.add(task.name)
            elif lines:
                yield f"task {task.label}"
                yield from (f"  {line}" for line in lines)
        if not racy:
            for lane, lines in sorted((lane, lines) for lane, lines in step.loose.items() if lines):
                yield f"events of {lane or 'unknown'}"
                yield from (f"  {line}" for line in (sorted(lines) if step.tasks else lines))
        yield from step.tail

    @staticmethod
    def _give_left_updates(step: _Step) -> None:
        """Updates of tasks without a result event: to the task if the name leaves no doubt."""
        for number, name, _, text in step.updates:
            tasks = step.named(name)
            if len(tasks) == 1:
                tasks[0].entries.append((number, text))
            else:
                step.loose.setdefault("updates", []).append(text)
        step.loose.setdefault("updates", []).extend(text for _, _, text in step.asked)
        step.loose["updates"].sort()
        step.updates.clear()

    def _orphans(self) -> Iterator[str]:
        """Levels whose task never started: custom events of called tasks, a fault, or a stream without start events."""
        for ns, level in sorted(self.levels.items(), key=lambda pair: pair[1].label):
            if ns and self._orphan(ns):
                yield from self.level_lines(level)

    def _orphan(self, ns: tuple[str, ...]) -> bool:
        parent = self.levels.get(_parent(ns))
        return parent is None or not any(
            entry is self.levels[ns]
            for step in parent.steps
            for task in step.tasks.values()
            for _, entry in task.entries
        )


def _is_call(step: _Step, payload: Mapping[str, Any]) -> bool:
    """Whether a start is that of a called `@task`: its caller, of the same superstep, is at work."""
    given: Any = payload.get("input")
    looks = tuple(payload["triggers"]) == ("__pregel_push",) and type(given) is tuple and len(given) == 2
    if not looks or type(given[0]) is not tuple or type(given[1]) is not dict or step.tail:
        return False
    return any(not task.done for task in step.tasks.values())


def _parent(ns: tuple[str, ...]) -> tuple[str, ...]:
    """The namespace that holds the task of `ns`: a second call in one task has a segment "1" more."""
    end = len(ns) - 1
    while end > 0 and not UUID.search(ns[end]):
        end -= 1
    return ns[: max(end, 0)]


def _writes(payload: Any) -> Any:
    """An `updates` payload and a task's `result` as the same thing: {key: [texts of its writes]}."""
    if payload is None:
        return {}
    found: dict[str, list[str]] = {}
    for part in payload if isinstance(payload, list) else [payload]:
        if not isinstance(part, Mapping):
            return show(payload)
        for key, value in part.items():
            many = isinstance(value, Mapping) and set(value) == {"$writes"}
            found.setdefault(key, []).extend(map(show, value["$writes"] if many else [value]))
    return found


def _writer_of(step: _Step, item: Item) -> tuple[_Task | None, str]:
    """The task that emitted a custom or messages item, or None and the name that it goes under."""
    if item.mode == "messages":
        return step.by_ns(item.payload[1].get("langgraph_checkpoint_ns")), "messages"
    if len(step.tasks) == 1:
        return next(iter(step.tasks.values())), ""
    tags = item.payload if isinstance(item.payload, Mapping) else {}
    lane, task = str(tags.get("lane", "")), step.by_ns(tags.get("task"))
    named = step.named(lane)
    return task or (named[0] if len(named) == 1 else None), lane
