"""What is done with a thread: scripts that any graph of `state_graphs` can be given."""

from typing import Any

from .scripts import Thread
from .state_graphs import IN

NODES = ("a", "b", "c", "z", "q", "l", "r", "child", "ask", "oth", "nope")


def below(config: Any) -> Any:
    """The config without the checkpoint: the graph as it stands."""
    place = {key: config["configurable"][key] for key in ("thread_id", "checkpoint_ns")}
    return {"configurable": place}


def looking(t: Thread) -> None:
    t.state()
    t.run(IN)
    t.everything()
    t.run({"log": ["again"], "n": 3})
    t.everything()


def parts_of_the_history(t: Thread) -> None:
    t.run(IN)
    t.run(IN)
    t.history(limit=2)
    t.history(limit=0)
    t.history(filter={"source": "input"})
    t.history(filter={"step": 1})
    t.history(before=t.at(2))
    t.history(t.at(2))
    t.history(filter={"source": "loop"}, limit=1, before=t.at(1))


def updates(t: Thread) -> None:
    t.update({"log": ["u"]})
    t.everything()
    t.run(None)
    t.everything()
    t.update({"log": ["u2"]})
    t.everything()
    t.run(None)
    for name in NODES:
        t.update({"log": [f"as {name}"], "n": 1}, name)
        t.state()
        t.run(None)
        t.history()


def updates_that_are_no_nodes(t: Thread) -> None:
    end = t.e.END
    t.update(None, end)
    t.everything()
    t.update({"log": ["i"]}, "__input__")
    t.everything()
    t.run(None)
    t.run(IN)
    t.update(None, "__input__")
    t.update(None, end)
    t.everything()
    t.run(None)
    t.update(None, "__copy__")
    t.everything()
    t.run(None)
    t.update(None, "__copy__", t.at(3))
    t.everything()
    t.run(None, t.last)
    t.update([({"log": ["c1"]}, "a"), ({"log": ["c2"]}, "a")], "__copy__", t.at(4))
    t.everything()
    t.run(None)
    t.update([3], "__copy__")
    t.update({"log": ["s"]}, "__start__")
    t.everything()
    t.run(None)
    t.history()


def supersteps_of_updates(t: Thread) -> None:
    update, end = t.e.module("types").StateUpdate, t.e.END
    t.bulk([])
    t.bulk([[]])
    t.bulk([[update({"log": ["1"]}, "a"), update({"log": ["2"]}, "a")], [update({"log": ["3"]}, "b")]])
    t.everything()
    t.run(None)
    t.bulk([[update({"log": ["1"]}), update({"log": ["2"]}, "a")]])
    first, second = [update({"log": ["x"]}, "__input__")], [update({"log": ["y"]}, "__start__")]
    t.bulk([first, second, [update({"log": ["y"]}, "a")], [update(None, end)]])
    t.everything()
    t.run(None)
    for special in (update(None, end), update({}, "__copy__"), update({}, "__input__")):
        t.bulk([[special, update({"log": ["2"]}, "a")]])
    t.run(IN)
    t.bulk([[update({"log": ["t"]}, "a", "00000000-0000-6000-8000-000000000001")]])
    t.everything()


def updates_of_nothing(t: Thread) -> None:
    """START's edges, and those of nodes, are followed once more."""
    t.run(IN)
    t.update(None)
    t.everything()
    t.run(None)
    t.update(None, "__start__")
    t.everything()
    t.run(None)
    t.update(None, None, t.at(3))
    t.run(None)
    for node in ("a", "sa", "p"):
        t.update(None, node)
        t.everything()


def answers(t: Thread) -> None:
    t.run(IN)
    t.everything()
    for answer in "ABC":
        t.run(t.e.Command(resume=answer))
        t.everything()


def updates_while_it_asks(t: Thread) -> None:
    t.run(IN)
    t.update({"log": ["u"]})
    t.everything()
    t.run(None)
    t.everything()
    t.run(t.e.Command(resume="A"))
    t.everything()
    t.run(IN)
    t.update({"log": ["u"]}, "a")
    t.everything()
    t.run(None)
    t.run(IN)
    for name in ("q", "ask", "child", "caller"):
        t.update({"log": ["u"]}, name)
    t.everything()
    t.run(None)
    t.everything()


def replays(t: Thread) -> None:
    t.run(IN)
    t.history()
    for index in range(6):
        t.run(None, t.at(index))
        t.state()
        t.history()
        t.state(t.at(1), subgraphs=True)


def forks(t: Thread) -> None:
    t.run(IN)
    for index in (1, 3, 6, 2, 9):
        t.update({"log": [f"f{index}"]}, None, t.at(index))
        t.state()
        t.run(None, t.last)
        t.history()
        t.run(None)
    t.everything()
    t.update({"log": ["fa"]}, "a", t.at(3))
    t.run(None, t.last)
    t.run(IN)
    t.everything()


def new_inputs_and_commands_to_old_checkpoints(t: Thread) -> None:
    t.run(IN)
    first = next(name for name in t.graph.nodes if name != "__start__")
    for index in (2, 4, 1, 7):
        t.run({"log": [f"n{index}"]}, t.at(index))
        t.history()
        t.run(t.e.Command(update={"log": ["cu"]}), t.at(index + 1))
        t.run(t.e.Command(goto=first), t.at(2))
        t.everything()


def answers_to_old_checkpoints(t: Thread) -> None:
    def answer(value: str, index: int) -> None:
        t.run(t.e.Command(resume=value), t.at(index))

    t.run(IN)
    answer("A", 0)
    t.everything()
    t.run(t.e.Command(resume="B"))
    t.history()
    for index in range(1, 6):
        answer(f"old {index}", index)
        t.everything()
        answer("again", 0)
        t.history()
    answer("x", 4)
    t.run(None)
    t.history()


def the_graph_within(t: Thread) -> None:
    """Its state, its updates, and its checkpoints as places to go on from."""
    t.run(IN)
    snapshot = t.state(subgraphs=True)
    state = snapshot.tasks[0].state if snapshot.tasks else None
    if state is None or not hasattr(state, "config"):
        return
    config, live = state.config, below(state.config)
    t.state(config)
    t.history(live)
    t.update({"log": ["u"]}, None, config)
    t.everything()
    t.state(live)
    t.update({"log": ["u"]}, "sa", live)
    t.run(t.e.Command(resume="A"))
    t.everything()
    nowhere = {"configurable": {"thread_id": "1", "checkpoint_ns": "nope:1"}}
    t.update({"log": ["bad"]}, "sa", nowhere)
    t.state(nowhere)
    for old in t.history(live):
        t.run(None, old.config)
        t.history()
        t.state(subgraphs=True)
        t.run(t.e.Command(resume="B"))
        t.history()
        t.run(t.e.Command(resume="again"), old.config)
        t.history()


def a_fork_of_the_graph_within(t: Thread) -> None:
    t.run(IN)
    snapshot = t.state(subgraphs=True)
    state = snapshot.tasks[0].state if snapshot.tasks else None
    if state is None or not hasattr(state, "config"):
        return
    config = t.update({"log": ["u"]}, None, state.config)
    t.everything()
    if config is None:
        return
    t.run(None, config)
    t.everything()
    t.run(t.e.Command(resume="C"))
    t.everything()
    t.run(t.e.Command(resume="D"), config)
    t.everything()


def histories_of_their_own(t: Thread) -> None:
    own = {"configurable": {"thread_id": "own"}}
    stable = [{"configurable": {"thread_id": "1", "checkpoint_ns": ns}} for ns in ("child", "caller", "child|inner")]
    t.run(IN)
    t.everything()
    t.history(own)
    t.run(IN)
    t.history(own)
    for place in stable:
        t.history(place)
    t.update({"log": ["u"]}, None, stable[0])
    t.update({"log": ["u"]}, "sa", stable[1])
    t.run(IN)
    t.everything()
    for place in stable:
        t.history(place)


def answers_by_id(t: Thread) -> None:
    def open_ids() -> list[str]:
        return [question.id for question in t.graph.get_state(t.config).interrupts]

    t.run(IN)
    first = open_ids()
    t.run(t.e.Command(resume={first[0]: "A"}))
    t.everything()
    t.run(t.e.Command(resume={first[0]: "A2"}))
    t.everything()
    if len(first) > 1:
        t.run(t.e.Command(resume={first[1]: "B"}))
        t.everything()
    t.run(t.e.Command(resume=dict.fromkeys(open_ids(), "M")))
    t.everything()
    t.run(t.e.Command(resume=dict.fromkeys(first, "old")), t.at(1))
    t.everything()


def answers_one_by_one(t: Thread) -> None:
    """Each question gets an answer of its own by its id, until none is left; some are answered by value."""
    t.run(IN)
    for number in range(12):
        asked = [question.id for question in t.graph.get_state(t.config).interrupts] if not t.is_async else []
        by_value = t.is_async or (len(asked) == 1 and number % 2)
        t.run(t.e.Command(resume=f"A{number}" if by_value else dict.fromkeys(asked[:1], f"I{number}")))
        t.state(subgraphs=True)
        if not t.is_async and not asked:
            break
    t.everything()


def metadata_and_names(t: Thread) -> None:
    of_run = {**t.config, "metadata": {"run_id": "r1", "user": "x"}}
    t.run(IN, of_run, interrupt_before=["b"])
    t.everything()
    t.run({"log": ["not taken: it is the same run"]}, of_run)
    t.everything()
    t.history(filter={"user": "x"})
    t.update({"log": ["u"]}, None, {**t.config, "metadata": {"user": "y"}})
    t.everything()
    configured = {"configurable": {"thread_id": "1", "user": "conf"}, "tags": ["t"]}
    t.run(IN, configured)
    t.everything()
    t.state(configured)
    t.update({"log": ["u"]}, None, configured)
    t.history(filter={"user": "conf"})
    t.run(IN, {"configurable": {"thread_id": 7}})
    t.state({"configurable": {"thread_id": 7}})
    t.state({"configurable": {"thread_id": "7"}})
    unknown = {"configurable": {"thread_id": "1", "checkpoint_id": "1f000000-0000-6000-8000-000000000000"}}
    t.state(unknown)
    t.run(None, unknown)


def an_unkeyed_state(t: Thread) -> None:
    t.run(["in"])
    t.everything()
    t.update(["u"], "a")
    t.everything()
    t.run(None)
    t.update(["v"])
    t.update(["w"], "__input__")
    t.run(None)
    t.everything()


SCRIPTS = [
    looking,
    parts_of_the_history,
    updates,
    updates_that_are_no_nodes,
    supersteps_of_updates,
    answers,
    updates_while_it_asks,
    replays,
    forks,
    new_inputs_and_commands_to_old_checkpoints,
    answers_to_old_checkpoints,
    the_graph_within,
    a_fork_of_the_graph_within,
    histories_of_their_own,
]
