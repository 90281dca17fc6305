"""langgraph-reflection: a judge that sends the first answer back."""

from typing import Any

from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph_reflection import create_reflection_graph
from tests.field.script import call, say
from typing_extensions import TypedDict


class Finish(TypedDict):
    """Call this when the answer is good."""

    finish: bool


def reflection(_: Any) -> Any:
    """The example with a model as judge."""

    def call_model(state: MessagesState) -> Any:
        return {"messages": ChatOpenAI(model="author-of-answers").invoke(state["messages"])}

    def judge_response(state: MessagesState) -> Any:
        judge = ChatOpenAI(model="judge").bind_tools([Finish])
        said = judge.invoke([("user", state["messages"][-1].text)])
        return None if said.tool_calls else {"messages": [{"role": "user", "content": said.content}]}

    assistant = StateGraph(MessagesState).add_node(call_model).add_edge(START, "call_model").compile()
    judge = StateGraph(MessagesState).add_node(judge_response).add_edge(START, "judge_response").compile()
    return create_reflection_graph(assistant, judge, state_schema=MessagesState).compile(name="reflection")


GIVEN = {"reflection": {"messages": [{"role": "user", "content": "Explain the sea"}]}}
SCRIPTS = {
    "author-of-answers": [
        (r"tell of salt", say("The sea is large, and salty.")),
        (r"Explain", say("The sea is large.")),
    ],
    "judge": [(r"salty", call(("Finish", {"finish": True}))), (r"large", say("Good, but tell of salt."))],
}
