"""Questions and answers in a task of a LangGraph graph, and what its code finds of the thread that its run is on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from langgraph._internal import _constants as keys
from langgraph._internal._scratchpad import PregelScratchpad

from drumline.langgraph.their_ids import their_interrupt_id
from drumline.langgraph.thread_saver import saver_of
from drumline_protocol.checkpoint_ids import NEXT, interrupt_id
from drumline_worker.job import Job

_DURABILITY = getattr(keys, "CONFIG_KEY_DURABILITY", "__pregel_durability")


def new_scratchpad(job: Job, answers: Sequence[Any], subgraphs: count[int] | None = None) -> Any:
    """What LangGraph's code counts in while a task runs, with the answers to its questions so far.

    `subgraphs` numbers the graphs that it calls; None: from 0 on.
    """
    numbers = count() if subgraphs is None else subgraphs
    given = {} if job.thread is None else job.thread.answers

    def next_answer(consume: bool = False) -> Any:
        """The answer that is for whichever question is asked next, also one of a graph that the code calls."""
        return given.pop(NEXT, None) if consume else given.get(NEXT)

    return PregelScratchpad(
        step=job.step,
        stop=job.stop,
        call_counter=count().__next__,
        interrupt_counter=count().__next__,
        get_null_resume=next_answer,
        resume=list(answers),
        subgraph_counter=numbers.__next__,
    )


def answers_to_call(job: Job, ns: str, known: Sequence[Any]) -> list[Any]:
    """The answers to a `@task` that the job's code calls: those that are `known`, and the one of this run."""
    given = {} if job.thread is None else job.thread.answers
    for number in (len(known), 0):  # LangGraph's older versions gave all questions of a task the first id
        id_ = their_interrupt_id(ns, number)
        if id_ in given:
            return [*known, given[id_]]
    return list(known)


def thread_keys(job: Job) -> dict[str, Any]:
    """What LangGraph's code looks up in a task's config to find its thread. Graphs that it calls go on there."""
    thread = job.thread
    if thread is None:
        return {keys.CONFIG_KEY_CHECKPOINTER: None, keys.CONFIG_KEY_CHECKPOINT_MAP: {}}
    answers = {id_: answer for id_, answer in thread.answers.items() if id_ != NEXT}
    return {
        keys.CONFIG_KEY_THREAD_ID: thread.id,
        keys.CONFIG_KEY_CHECKPOINTER: saver_of(thread),
        keys.CONFIG_KEY_CHECKPOINT_MAP: dict(thread.parents),
        keys.CONFIG_KEY_RESUMING: thread.resumes,
        keys.CONFIG_KEY_RESUME_MAP: answers or None,
        _DURABILITY: thread.durability,
    }


def note_answers(job: Job, scratchpad: Any) -> None:
    """The task has taken answers that nobody knew to be for it: from now on they are its own."""
    job.taken[:] = scratchpad.resume[len(job.answers) :]


def our_question_id(job: Job, ns: str, id_: str) -> str:
    """The run machine's id of a question, if it is one of the task at `ns`; another one as it is.

    The machine knows the questions of its tasks by ids of its own making. Those of graphs and `@task`s that a task's
    code calls keep LangGraph's, under which LangGraph's code will look for the answers.
    """
    if job.thread is not None:
        had = len(job.answers) + len(job.taken)
        if id_ in (their_interrupt_id(ns, had), their_interrupt_id(ns, 0)):  # LangGraph's older versions: always that
            return interrupt_id(ns, had)
    return id_
