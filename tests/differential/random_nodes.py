"""What the nodes of random graphs do: one small function for each kind of `NodeSpec`."""

from collections.abc import Callable
from typing import Any

from .engines import Engine
from .random_graphs import INPUT, GraphSpec, NodeSpec, get, pause


def _update(node: NodeSpec, spec: GraphSpec, state: Any) -> dict[str, Any]:
    """The node's ordinary writes; they tell who wrote and what was seen."""
    k = len(get(state, "items"))
    found: dict[str, Any] = {"items": [f"{node.name}:{k}"]}
    extra = {
        "count": 1,
        "text": node.name[-1],
        "table": {node.name: k, "who": node.name},
        "by_id": [{"id": k % 3, "by": node.name}, {"id": node.name, "by": k}],
        "pair": (node.name, k),
        "last": node.name,
    }
    found.update((key, extra[key]) for key in node.writes)
    # Not from sent tasks: two of them may show one id, and then it is a race which one does.
    if spec.messages and not (isinstance(state, dict) and "sent" in state):
        from langchain_core.messages import AIMessage

        found["messages"] = [AIMessage(f"{node.name} saw {k}", id=f"{node.name}-{k % 4}")]
    return found


def _send(e: Engine, node: NodeSpec, k: int, i: int = 0) -> Any:
    """A Send whose argument grows, so that its receiver's loops end."""
    return e.Send(node.targets[0], {"items": ["s"] * (k + 3 + i), "sent": True})


def _ended(node: NodeSpec, state: Any) -> bool:
    return len(get(state, "items")) >= node.stop


def _result(e: Engine, node: NodeSpec, spec: GraphSpec, schema: type, state: Any) -> Any:
    k, update = len(get(state, "items")), _update(node, spec, state)
    one, two = node.targets or ("", "")
    match node.kind:
        case "none":
            return None
        case "empty":
            return {"unknown": k}
        case "command":
            return e.Command(update=update, goto=one)
        case "command_sends":
            return e.Command(update=update, goto=[_send(e, node, k), two])
        case "commands":
            more = {"items": [f"{node.name}+"], "count": 2}
            return [e.Command(update=update, goto=one), e.Command(update=more)]
        case "pairs":
            return e.Command(update=[*update.items(), ("items", [f"{node.name}+"])])
        case "send":
            return None if _ended(node, state) else _send(e, node, k)
        case "overwrite":
            return update | {"items": e.Overwrite([*get(state, "items")[-20:], f"{node.name}!"])}
        case "object":
            return _instance(schema, update)
        case "fail" if _ended(node, state):
            raise ValueError(f"{node.name} failed")
        case "route_extra":
            return update | {"where": one if k < node.stop else e.END}
    return update


def _instance(schema: type, update: dict[str, Any]) -> Any:
    """The update as an instance of the schema (a dict for a TypedDict), plain keys left out."""
    made = schema(**update)
    if not isinstance(made, dict) and hasattr(made, "__dataclass_fields__"):
        # Every field of a dataclass is a write; those of the plain keys would collide.
        return {key: value for key, value in vars(made).items() if key not in ("n", "last")}
    return made


def make_node(e: Engine, node: NodeSpec, spec: GraphSpec, schema: type, child: Any) -> Any:
    """The node's action: a function, a coroutine function, or the child graph itself."""
    if node.kind == "child":
        return child

    def emit(given: Callable[[Any], None], config: Any, state: Any, at: int) -> None:
        event = {"lane": node.name, "at": at, "saw": len(get(state, "items"))}
        if node.writer == "get":
            e.get_stream_writer()(event)
        else:  # with the task's name, so that the comparison is exact for sent tasks, too
            given(event | {"task": config["metadata"]["langgraph_checkpoint_ns"]})

    # A model that speaks token by token; what it says depends on the node's input alone.
    speaks = spec.messages and node.events > 0

    def asked(state: Any) -> str:
        return f"{len(get(state, 'items'))} items"

    def model() -> Any:
        from .models import Parrot

        return Parrot(prefix=node.name, tags=[node.name] if node.events > 1 else None)

    def finish(state: Any, called: list[Any]) -> Any:
        result = _result(e, node, spec, schema, state)
        return result | {"items": [f"{node.name}:{called}"]} if called else result

    def work(state: Any, writer: e.StreamWriter, config) -> Any:  # type: ignore[no-untyped-def]
        for at in range(node.events):
            emit(writer, config, state, at)
        if speaks:
            model().invoke(asked(state))
        called = []
        for _ in range(node.sends + 1 if child is not None else 0):
            called.append(len(child.invoke(INPUT)["items"]))
            emit(writer, config, state, 9)
        return finish(state, called)

    async def work_async(state: Any, writer: e.StreamWriter, config) -> Any:  # type: ignore[no-untyped-def]
        for at in range(node.events):
            emit(writer, config, state, at)
            await pause()
        if speaks:
            await model().ainvoke(asked(state))
        called = []
        for _ in range(node.sends + 1 if child is not None else 0):
            called.append(len((await child.ainvoke(INPUT))["items"]))
            emit(writer, config, state, 9)
        return finish(state, called)

    return work_async if node.is_async else work


def make_router(e: Engine, node: NodeSpec) -> tuple[Any, ...] | None:
    """Arguments of add_conditional_edges after the source, or None for kinds without a router."""
    one, two = node.targets or ("", "")

    def route(state: Any) -> Any:
        return e.END if _ended(node, state) else [one, two]

    def route_map(state: Any) -> bool:
        return not _ended(node, state)

    def route_sends(state: Any) -> Any:
        k = len(get(state, "items"))
        if _ended(node, state):
            return e.END
        # A wide fan ends its receivers' loops at once, or the run grows without bound.
        width = node.sends
        return [_send(e, node, k + (node.stop if width > 1 else 0), i) for i in range(width)]

    def route_extra(state: Any) -> Any:
        where = state.get("where") if isinstance(state, dict) else None
        e.get_stream_writer()({"lane": node.name, "where": where})
        return where or e.END

    async def route_async(state: Any) -> Any:
        await pause()
        return route(state)

    match node.kind:
        case "route":
            return (route_async if node.is_async else route, [one, two, e.END])
        case "route_map":
            return (route_map, {True: one, False: e.END})
        case "route_sends":
            return (route_sends, [one, e.END])
        case "route_extra":
            return (route_extra,)
    return None
