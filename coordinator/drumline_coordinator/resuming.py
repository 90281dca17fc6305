"""How a run begins on a thread: with a new input, from where an earlier run stood, or from an old checkpoint. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drumline_coordinator.changes import taken_fact
from drumline_coordinator.checkpointing import keep_answers
from drumline_coordinator.machine import Machine
from drumline_coordinator.tasks import Scope, Task
from drumline_coordinator.thread_run import GoingOn, ThreadRun
from drumline_graph.constants import INTERRUPT, PUSH, START
from drumline_graph.errors import EmptyInputError, InvalidUpdateError, UnknownInterruptError
from drumline_graph.functional import begins_at_once
from drumline_graph.message_ids import with_delta_ids
from drumline_graph.program import Program
from drumline_graph.superstep import Planned, State, plan
from drumline_graph.types import Command
from drumline_graph.writes import command_writes
from drumline_protocol.checkpoint_ids import NEXT, interrupt_id
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
from drumline_protocol.ids import task_id
from drumline_protocol.named import names_in, resolve

#: what a mapping of answers has for keys; any other value is one answer
_ID = re.compile(r"[0-9a-f]{32}")

#: in place of the path of a task, where a `Command` that was given as input writes messages without ids
_COMMAND = "command"


def restore(machine: Machine, scope_ns: tuple[str, ...], path: str, saved: Saved, task: str = "") -> Scope:
    """The graph as it stands at a checkpoint, with no task yet. `task` is the one whose node it is."""
    checkpoint, state, thread = saved.checkpoint, machine.state, machine.thread
    newest = checkpoint.id if thread is None else max(checkpoint.id, thread.newest, thread.last)
    top = max(checkpoint.versions.values(), default=0)
    if scope_ns == state.root_ns:
        version = top if thread is None else max(top, thread.version)
        machine.emit(RunKept(version, (), {}, 0, checkpoint=newest))
    kept = checkpoint.kept
    step = checkpoint.step
    machine.emit(
        GraphKept(
            scope_ns,
            path,
            step,
            {name: cell for name, cell in checkpoint.cells.items() if name not in kept},
            kept,
            checkpoint.versions,
            checkpoint.seen,
            None,
            () if scope_ns == state.root_ns else ("now",),
            [],
            step + state.limit + 2,
            checkpoint.id,
            task=task,
            opened={name: checkpoint.cells[name] for name in kept if name in checkpoint.cells},
        )
    )
    return state.scopes[scope_ns]


@dataclass(frozen=True, slots=True)
class Journey:
    """What it means for a graph that it is run at a checkpoint.

    It `resumes`, or takes a new input. It `travels` to a checkpoint that the caller has named, not to answer there;
    if the thread has gone on since, that is `superseded`. It `forks`: a branch of its own begins. It `replays`: tasks
    that have ended run again. Graphs below find their checkpoints older than `bound`, if there is one.
    """

    resumes: bool
    travels: bool = False
    superseded: bool = False
    forks: bool = False
    bound: str = ""

    @property
    def replays(self) -> bool:
        """Whether tasks run again that have ended."""
        return self.travels or self.superseded


def journey(thread: ThreadRun, ns: str, saved: Saved, input: Any, resumes: bool | None) -> Journey:
    """How the graph at `ns` goes on from `saved`. `resumes` is what the graph around it does; None: the input tells."""
    checkpoint = saved.checkpoint
    command = input if isinstance(input, Command) else None
    is_named, is_below = ns in thread.addressed, bool(ns)
    if is_below and thread.replay is not None and not is_named:
        resumes, is_addressed = None, True
    else:
        is_addressed = is_named
    if resumes is None:
        is_same_run = not is_below and _is_same_run(thread, saved)
        goes_on = input is None or command is not None or is_same_run
    else:
        goes_on = resumes
    goes_on = goes_on and bool(checkpoint.versions)
    answers = command is not None and command.resume is not None
    travels = is_addressed and ((is_below and is_named) or not (answers or bool(resumes)))
    superseded = is_named and not saved.is_head
    branched = checkpoint.source in (UPDATE, FORK)
    bound = ""
    if goes_on and travels and not is_below:
        bound = (branched and checkpoint.parent) or checkpoint.id
    return Journey(goes_on, travels, superseded, goes_on and travels and (not branched or superseded), bound)


def _is_same_run(thread: ThreadRun, saved: Saved) -> bool:
    """Whether the caller names the run that made the checkpoint, by `run_id` in the metadata of its config."""
    of_checkpoint = saved.checkpoint.metadata.get("run_id")
    return of_checkpoint is not None and thread.metadata.get("run_id") == of_checkpoint


def check_place(thread: ThreadRun, ns: str) -> None:
    """InvalidUpdateError if a checkpoint was named that is not there: nothing can be made of it."""
    named = thread.addressed.get(ns)
    if named:
        raise InvalidUpdateError(
            f"Thread {thread.id!r} has no checkpoint {named!r}{f' at {ns!r}' if ns else ''}."
            " Take the config of a snapshot."
        )


def begin(machine: Machine, saved: Saved, input: Any) -> Scope | None:
    """The root goes on from its checkpoint; the scope, if the input is a new one that START is to take.

    Raises EmptyInputError for a `Command` that says nothing, InvalidUpdateError for one that cannot be followed,
    UnknownInterruptError for an answer to a question that does not wait, RuntimeError for one answer where several
    questions wait.
    """
    thread = machine.thread
    assert thread is not None
    ns = joined_ns(machine.state.root_ns)
    way = journey(thread, ns, saved, input, thread.resumes)
    pending = [write for write in saved.pending if not (way.travels and write[1] == RESUME)]
    scope = restore(machine, machine.state.root_ns, "", saved)
    carried: list[tuple[str, Any]] = []
    if ns or thread.within:
        loosen_answer(thread, thread.single, () if way.forks else pending)
    if isinstance(input, Command):
        strict = thread.is_strict and not ns and not way.superseded
        carried = _said(machine, input, pending, is_strict=strict, is_halted=_is_halted(saved, pending))
        if carried and not way.forks:
            machine.save(TaskWrites(ns, scope.checkpoint, NULL_TASK, carried))
    return scope if not go_on(machine, scope, saved, pending, way, carried) else None


def go_on(
    machine: Machine,
    scope: Scope,
    saved: Saved,
    pending: Sequence[PendingWrite],
    way: Journey,
    carried: Sequence[tuple[str, Any]] = (),
) -> bool:
    """A restored graph takes what was written from outside, and goes on; False if it is to take a new input first."""
    thread = machine.thread
    assert thread is not None
    found = outcomes(pending)
    thread.asked |= {id_: {question.id for question in outcome.interrupts} for id_, outcome in found.items()}
    given = [*null_writes(pending), *carried]
    updated = None if saved.checkpoint.updated is None else set(saved.checkpoint.updated)
    if given:
        fact, changed = taken_fact(machine, scope, given, ())
        machine.emit(fact)
        updated = None if updated is None else updated | changed
    if not way.resumes:
        return False
    if way.forks:
        pending = [write for write in pending if write[1] != INTERRUPT and write[0] != NULL_TASK]
    elif way.replays:
        thread.settled |= {id_ for id_, outcome in found.items() if outcome.has_ended}
    machine.going_on.append(
        GoingOn(scope, saved, pending, forks=way.forks, replays=way.replays, updated=updated or None)
    )
    return True


def _said(
    machine: Machine, command: Command[Any], pending: Sequence[PendingWrite], *, is_strict: bool, is_halted: bool
) -> list[tuple[str, Any]]:
    """What a `Command` writes; its answers become those of the run."""
    thread, resume = machine.thread, command.resume
    assert thread is not None
    if resume is not None:
        waiting = {question.id for outcome in outcomes(pending).values() for question in outcome.open_interrupts}
        thread.answers = _answers(thread, resume, sorted(waiting), is_strict=is_strict, is_halted=is_halted)
        if waiting and not is_map_of_answers(resume):
            thread.single = next(iter(thread.answers))
    said_by = task_id(machine.id, machine.state.root_ns, 0, _COMMAND)
    writes = with_delta_ids(machine.program, said_by, command_writes(machine.program, command))
    if not writes and resume is None:
        raise EmptyInputError("Received an empty Command: give it resume=, update= or goto=.")
    return writes


def is_map_of_answers(resume: Any) -> bool:
    """Whether these are answers by the ids of their questions. Any other value is one answer."""
    return isinstance(resume, dict) and all(isinstance(key, str) and _ID.fullmatch(key) for key in resume)


def _is_halted(saved: Saved, pending: Sequence[PendingWrite]) -> bool:
    """Whether the thread stands at a breakpoint: tasks are due, and none has asked. Any answer lets them run."""
    return bool(saved.checkpoint.tasks) and not any(outcome.interrupts for outcome in outcomes(pending).values())


def _answers(
    thread: ThreadRun, resume: Any, waiting: Sequence[str], *, is_strict: bool, is_halted: bool
) -> dict[str, Any]:
    """Answers by the ids of their questions."""
    if is_map_of_answers(resume):
        if is_strict and not resume:
            raise UnknownInterruptError(
                "The mapping of answers names no interrupt.", reason="empty_map", pending_ids=waiting
            )
        unknown = sorted(resume.keys() - set(waiting))
        if is_strict and unknown:
            raise UnknownInterruptError(
                f"Unknown or already-consumed interrupt: {unknown[0]}: {_why_not(thread, unknown[0])}. "
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
    if is_strict and not waiting and not is_halted:
        why = f"; run {thread.former} had the thread last" if thread.former else ""
        raise UnknownInterruptError(f"No question waits for an answer{why}.", reason="not_pending")
    return {waiting[0] if waiting else NEXT: resume}


def single_answer(thread: ThreadRun, task: str) -> str | None:
    """The question that has the only answer that was given, if it was asked somewhere in this task."""
    asked = thread.single
    return asked if asked in thread.answers and asked in thread.asked.get(task, ()) else None


def _why_not(thread: ThreadRun, question: str) -> str:
    run = thread.answered.get(question)
    return "nobody asks it, or it was answered long ago" if run is None else f"it was answered already, by run {run}"


def loosen_answer(thread: ThreadRun, asked: str | None, pending: Sequence[PendingWrite]) -> None:
    """If nobody in the graph of a task waits any more for the answer to `asked`, whoever asks next gets it.

    So it is where the graph was updated since it asked, or stands at another checkpoint: its questions have other ids.
    """
    if asked is None or asked not in thread.answers:
        return
    waiting = {question.id for outcome in outcomes(pending).values() for question in outcome.open_interrupts}
    if asked not in waiting:
        thread.answers[NEXT] = thread.answers.pop(asked)
        thread.single = NEXT


def due(scope: Scope, step: int, updated: set[str] | None = None) -> list[Planned]:
    """The tasks of the superstep behind where a graph stands. `updated` is as for `plan`."""
    return tasks_behind(scope.program, scope.state, step, scope.stop, updated)


def tasks_behind(
    program: Program, state: State, step: int, stop: int, updated: set[str] | None = None
) -> list[Planned]:
    """The tasks of superstep `step`, START among them if there is an input that it has not taken. Raises as `plan`."""
    start = program.start
    channel = start.triggers[0]
    planned = plan(program, state, updated, step=step, stop=stop)
    if begins_at_once(program):
        return planned
    if state.versions.get(channel, 0) > state.seen.get(START, {}).get(channel, 0) and channel in state.cells:
        sends = sum(item.path[0] == PUSH for item in planned)
        planned.insert(sends, Planned(START, start.path, start.path_key, start.triggers, state.cells[channel]))
    return planned


def take_up(machine: Machine, task: Task, outcome: Outcome | None) -> bool:
    """What an earlier run has left of a task. True if that is its result: then it does not run."""
    scope = task.scope
    thread = machine.thread
    assert thread is not None
    if outcome is not None and outcome.has_ended:
        output, at_ms = outcome.output, machine.now_ms
        opened = _opened(output, thread.values) if thread.values else None
        machine.emit(TaskFinished(scope.ns, task.id, task.attempt, "", output, at_ms, cached=True, opened=opened))
        return True
    answers = [] if outcome is None else list(outcome.answers)
    ns = joined_ns((*task.around, f"{task.name}:{task.id}"))
    asked = len(answers)
    for id_ in (interrupt_id(ns, asked), interrupt_id(ns, 0)):
        if id_ in thread.answers:
            answers.append(thread.answers[id_])
            break
    else:
        if machine.codec is not None and outcome is not None and outcome.interrupts and task.node.subprogram is None:
            thread.lend(task.id)  # it has asked before
    if len(answers) > asked:
        keep_answers(machine, task, answers)
    elif answers:
        machine.emit(TaskAnswered(scope.ns, task.id, answers))
    return False


def _opened(output: list[tuple[str, Any]], values: Mapping[str, Any]) -> list[tuple[str, Any]] | None:
    """A result with the large values that were read for it; None if it names none."""
    names = names_in(output)
    if not names:
        return None
    return resolve(output, {name.blob: values.get(name.blob, name) for name in names})
