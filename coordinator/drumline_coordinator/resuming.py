"""How a run begins on a thread: with a new input, from where an earlier run stood, or from an old checkpoint. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from drumline_coordinator.changes import taken_fact
from drumline_coordinator.checkpointing import keep_writes
from drumline_coordinator.machine import Machine
from drumline_coordinator.tasks import Scope, Task
from drumline_coordinator.thread_run import GoingOn
from drumline_graph.constants import INTERRUPT, START
from drumline_graph.errors import EmptyInputError, UnknownInterruptError
from drumline_graph.functional import begins_at_once
from drumline_graph.program import Program
from drumline_graph.superstep import Planned, State, plan
from drumline_graph.types import Command
from drumline_graph.writes import command_writes
from drumline_protocol.checkpoint_ids import interrupt_id
from drumline_protocol.checkpoints import (
    FORK,
    NULL_TASK,
    RESUME,
    UPDATE,
    Outcome,
    PendingWrite,
    Saved,
    TaskWrites,
    joined_ns,
    null_writes,
    outcomes,
)
from drumline_protocol.facts import GraphKept, RunKept, TaskAnswered, TaskFinished

#: what a mapping of answers has for keys; any other value is one answer
_ID = re.compile(r"[0-9a-f]{32}")

#: under this name `ThreadRun.answers` has an answer that is for whichever question is asked next
NEXT = ""


def restore(machine: Machine, scope_ns: tuple[str, ...], path: str, saved: Saved) -> Scope:
    """The graph as it stands at a checkpoint, with no task yet."""
    checkpoint, state = saved.checkpoint, machine.state
    top = max(checkpoint.versions.values(), default=0)
    if scope_ns == state.root_ns:
        machine.emit(RunKept(top, (), {}, 0, checkpoint.id))
    step = checkpoint.step
    machine.emit(
        GraphKept(
            scope_ns,
            path,
            step,
            dict(checkpoint.cells),
            {},
            checkpoint.versions,
            checkpoint.seen,
            None,
            ("now",),
            [],
            step + state.limit + 2,
            checkpoint.id,
        )
    )
    return state.scopes[scope_ns]


def begin(machine: Machine, saved: Saved, input: Any) -> Scope | None:
    """The root goes on from its checkpoint; the scope, if the input is a new one that START is to take.

    Raises EmptyInputError for a `Command` that says nothing, InvalidUpdateError for one that cannot be followed,
    UnknownInterruptError for an answer to a question that does not wait, RuntimeError for one answer where several
    questions wait.
    """
    thread = machine.thread
    assert thread is not None
    command = input if isinstance(input, Command) else None
    resumes = thread.resumes if thread.resumes is not None else input is None or command is not None
    answers = command is not None and command.resume is not None
    travels = thread.is_addressed and not answers
    superseded = thread.is_addressed and not saved.is_head
    pending = [write for write in saved.pending if not (travels and write[1] == RESUME)]
    scope = restore(machine, machine.state.root_ns, "", saved)
    forks = resumes and travels and (saved.checkpoint.source not in (UPDATE, FORK) or superseded)
    carried: list[tuple[str, Any]] = []
    if command is not None:
        carried = _said(machine, command, pending, is_strict=thread.is_strict and not superseded)
        if carried and not forks:
            writes = TaskWrites(joined_ns(scope.ns), scope.checkpoint, NULL_TASK, carried)
            machine.fx.saves.append(writes)
    given = [*null_writes(pending), *carried]
    if given:
        machine.emit(taken_fact(machine, scope, given, ())[0])
    if not resumes:
        return scope
    if forks:
        pending = [write for write in pending if write[1] != INTERRUPT and write[0] != NULL_TASK]
    machine.going_on.append(GoingOn(scope, saved, pending, forks=forks, replays=travels or superseded))
    return None


def _said(
    machine: Machine, command: Command[Any], pending: Sequence[PendingWrite], *, is_strict: bool
) -> list[tuple[str, Any]]:
    """What a `Command` writes; its answers become those of the run."""
    thread, resume = machine.thread, command.resume
    assert thread is not None
    if resume is not None:
        waiting = {question.id for outcome in outcomes(pending).values() for question in outcome.open_interrupts}
        thread.answers = _answers(resume, sorted(waiting), is_strict=is_strict)
    writes = command_writes(machine.program, command)
    if not writes and resume is None:
        raise EmptyInputError("Received an empty Command: give it resume=, update= or goto=.")
    return writes


def _answers(resume: Any, waiting: Sequence[str], *, is_strict: bool) -> dict[str, Any]:
    """Answers by the ids of their questions."""
    if isinstance(resume, dict) and all(isinstance(key, str) and _ID.fullmatch(key) for key in resume):
        if is_strict and not resume:
            raise UnknownInterruptError(
                "The mapping of answers names no question.", reason="empty_map", pending_ids=waiting
            )
        unknown = sorted(resume.keys() - set(waiting))
        if is_strict and unknown:
            raise UnknownInterruptError(
                f"No question {unknown[0]} waits for an answer: it is unknown, or was answered already. "
                f"Waiting: {', '.join(waiting) or 'none'}.",
                reason="not_pending",
                interrupt_ids=unknown,
                pending_ids=waiting,
            )
        return dict(resume)
    if len(waiting) > 1:
        text = (
            "When there are multiple pending interrupts, you must specify the interrupt id when resuming: "
            f"Command(resume={{id: answer}}). Waiting: {', '.join(waiting)}."
        )
        if is_strict:
            raise UnknownInterruptError(text, reason="ambiguous", pending_ids=waiting)
        raise RuntimeError(text)
    return {waiting[0] if waiting else NEXT: resume}


def due(scope: Scope, step: int) -> list[Planned]:
    """The tasks of the superstep behind where a graph stands."""
    return tasks_behind(scope.program, scope.state, step, scope.stop)


def tasks_behind(program: Program, state: State, step: int, stop: int) -> list[Planned]:
    """The tasks of superstep `step`: START, if the input was not taken yet, or what follows. Raises as `plan`."""
    start = program.start
    channel = start.triggers[0]
    if begins_at_once(program):
        return plan(program, state, None, step=step, stop=stop)
    if state.versions.get(channel, 0) > state.seen.get(START, {}).get(channel, 0) and channel in state.cells:
        return [Planned(START, start.path, start.path_key, start.triggers, state.cells[channel])]
    return plan(program, state, None, step=step, stop=stop)


def take_up(machine: Machine, task: Task, outcome: Outcome | None) -> bool:
    """What an earlier run has left of a task. True if that is its result: then it does not run."""
    scope = task.scope
    if outcome is not None and outcome.has_ended:
        machine.emit(TaskFinished(scope.ns, task.id, task.attempt, "", outcome.output, machine.now_ms, cached=True))
        return True
    thread = machine.thread
    assert thread is not None
    answers = [] if outcome is None else list(outcome.answers)
    ns = joined_ns((*task.around, f"{task.name}:{task.id}"))
    asked = len(answers)
    for id_ in (interrupt_id(ns, asked), interrupt_id(ns, 0)):
        if id_ in thread.answers:
            answers.append(thread.answers[id_])
            break
    else:
        if NEXT in thread.answers and task.node.subprogram is None:
            answers.append(thread.answers.pop(NEXT))
    if answers:
        machine.emit(TaskAnswered(scope.ns, task.id, answers))
    if len(answers) > asked:
        keep_writes(machine, task, [(RESUME, answers)])
    return False
