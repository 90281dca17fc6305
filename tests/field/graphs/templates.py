"""Patterns of LangGraph's tutorials: plan and execute, reflexion, tree search (LATS), map and reduce with Sends."""

import operator
from typing import Annotated, Any, Union

from langchain_core.messages import AnyMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.output_parsers.openai_tools import PydanticToolsParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI
from langgraph.graph import add_messages
from pydantic import BaseModel, Field
from tests.field.script import call, say, say_json
from typing_extensions import TypedDict

# -- plan and execute -------------------------------------------------------------------------------


class PlanExecute(TypedDict, total=False):
    input: str
    plan: list[str]
    past_steps: Annotated[list[tuple[str, str]], operator.add]
    response: str


class Plan(BaseModel):
    """Steps, in order."""

    steps: list[str]


class Response(BaseModel):
    """An answer to the user."""

    response: str


class Act(BaseModel):
    """What to do next."""

    action: Union[Response, Plan] = Field(description="Answer, or go on with a plan.")  # noqa: UP007


def plan_execute(e: Any) -> Any:
    """A planner and a replanner with structured output, tuples in the state."""
    planner = ChatOpenAI(model="planner-of-steps")

    async def plan_step(state: PlanExecute) -> Any:
        plan = await planner.with_structured_output(Plan).ainvoke([("user", state["input"])])
        return {"plan": plan.steps}  # type: ignore[union-attr]

    async def execute_step(state: PlanExecute) -> Any:
        task = state["plan"][0]
        done = await ChatOpenAI(model="executor").ainvoke([("user", task)])
        return {"past_steps": [(task, done.content)]}

    async def replan_step(state: PlanExecute) -> Any:
        done = "; ".join(f"{task} gave {result}" for task, result in state["past_steps"])
        act = await planner.with_structured_output(Act, method="function_calling").ainvoke([("user", f"Done: {done}")])
        return {"response": act.action.response} if isinstance(act.action, Response) else {"plan": act.action.steps}  # type: ignore[union-attr]

    builder = e.StateGraph(PlanExecute).add_node("planner", plan_step).add_node("agent", execute_step)
    builder.add_node("replan", replan_step).add_edge(e.START, "planner").add_edge("planner", "agent")
    builder.add_edge("agent", "replan")
    builder.add_conditional_edges("replan", lambda s: e.END if s.get("response") else "agent", ["agent", e.END])
    return builder.compile(name="plan_execute")


# -- reflexion --------------------------------------------------------------------------------------


class Critique(BaseModel):
    missing: str
    superfluous: str


class AnswerQuestion(BaseModel):
    """Answer the question."""

    answer: str
    reflection: Critique
    search_queries: list[str]


class ReviseAnswer(AnswerQuestion):
    """Revise the answer, with references."""

    references: list[str]


class Drafts(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def reflexion(e: Any) -> Any:
    """A draft, searches for what it lacks, a revision: tools under the names of schemas, prompts with placeholders."""
    model = ChatOpenAI(model="reflecting")
    prompt = ChatPromptTemplate.from_messages(
        [("system", "You are {who}."), MessagesPlaceholder("messages"), ("user", "Use {name}.")]
    ).partial(who="an expert")

    def responder(schema: type[BaseModel]) -> Any:
        runnable = prompt.partial(name=schema.__name__) | model.bind_tools([schema])
        parser = PydanticToolsParser(tools=[schema])

        def respond(state: Drafts) -> Any:
            said = runnable.invoke({"messages": state["messages"]})
            parser.invoke(said)
            return {"messages": said}

        return respond

    def run_queries(search_queries: list[str], **_: Any) -> list[str]:
        """Run the searches."""
        return [f"result of {query}" for query in search_queries]

    tools = e.ToolNode(
        [StructuredTool.from_function(run_queries, name=kind.__name__) for kind in (AnswerQuestion, ReviseAnswer)]
    )

    def loop(state: Drafts) -> str:
        turns = sum(isinstance(message, ToolMessage) for message in state["messages"])
        return e.END if turns > 1 else "execute_tools"

    builder = e.StateGraph(Drafts).add_node("draft", responder(AnswerQuestion)).add_node("execute_tools", tools)
    builder.add_node("revise", responder(ReviseAnswer)).add_edge(e.START, "draft").add_edge("draft", "execute_tools")
    builder.add_edge("execute_tools", "revise")
    builder.add_conditional_edges("revise", loop, ["execute_tools", e.END])
    return builder.compile(name="reflexion")


# -- tree search ------------------------------------------------------------------------------------


class Rating(BaseModel):
    """How good an answer is."""

    thoughts: str
    score: int
    found: bool = False


class Leaf(BaseModel):
    """A node of the tree: pydantic, and it holds others of its kind."""

    messages: list[AnyMessage]
    rating: Rating
    children: list["Leaf"] = Field(default_factory=list)

    @property
    def depth(self) -> int:
        """How many answers stand above each other."""
        return 1 + max((child.depth for child in self.children), default=0)


class Tree(TypedDict, total=False):
    input: str
    root: Leaf
    candidates: Annotated[list[Any], operator.add]


def lats(e: Any) -> Any:
    """Candidates by Sends, each rated with structured output, and a recursive class in the state."""
    model = ChatOpenAI(model="searcher")

    def rated(prompt: str) -> Leaf:
        said = model.invoke([HumanMessage(prompt, id=f"h-{prompt}")])
        rating = model.with_structured_output(Rating).invoke([("user", f"rate: {said.content}")])
        return Leaf(messages=[said], rating=rating)  # type: ignore[arg-type]

    def start(state: Tree) -> Any:
        return {"root": rated(state["input"])}

    def expand(state: Tree) -> Any:
        return {"candidates": [rated(state["input"])]}

    def select(state: Tree) -> Any:
        return {"root": state["root"].model_copy(update={"children": state["candidates"]})}

    def spread(state: Tree) -> list[Any]:
        return [e.Send("expand", {"input": f"{state['input']}, way {number}"}) for number in range(3)]

    builder = e.StateGraph(Tree).add_node("start", start).add_node("expand", expand).add_node("select", select)
    builder.add_edge(e.START, "start").add_conditional_edges("start", spread, ["expand"]).add_edge("expand", "select")
    builder.add_conditional_edges("select", lambda s: e.END if s["root"].depth > 1 else "start", ["start", e.END])
    return builder.compile(name="lats")


# -- map and reduce ---------------------------------------------------------------------------------


class Summaries(TypedDict, total=False):
    contents: list[str]
    summaries: Annotated[list[str], operator.add]
    collapsed: str


class One(TypedDict):
    content: str


def map_reduce(e: Any) -> Any:
    """A summary for each page, by Sends to async nodes with chains, collapsed to one."""
    prompt = ChatPromptTemplate.from_template("Sum up: {content}")
    chain = prompt | ChatOpenAI(model="summing-up") | StrOutputParser()

    async def generate_summary(state: One) -> Any:
        return {"summaries": [await chain.ainvoke({"content": state["content"]})]}

    async def collapse(state: Summaries) -> Any:
        return {"collapsed": await chain.ainvoke({"content": ", ".join(state["summaries"])})}

    builder = e.StateGraph(Summaries).add_node(generate_summary).add_node(collapse)
    builder.add_conditional_edges(
        e.START,
        lambda state: [e.Send("generate_summary", {"content": content}) for content in state["contents"]],
        ["generate_summary"],
    )
    return builder.add_edge("generate_summary", "collapse").compile(name="map_reduce")


GIVEN = {
    "plan_execute": {"input": "how old is the winner?"},
    "reflexion": {"messages": [{"role": "user", "content": "why is the sea salt?"}]},
    "lats": {"input": "solve it"},
    "map_reduce": {"contents": ["cats", "dogs", "birds"]},
}
_ANSWER = {"answer": "rivers", "reflection": {"missing": "sources", "superfluous": ""}, "search_queries": ["salt"]}
SCRIPTS = {
    "planner-of-steps": [
        (r"age gave 27", call(("Act", {"action": {"response": "27 years"}}))),
        (r"Done", call(("Act", {"action": {"steps": ["age"]}}))),
        (r"how old", say_json(steps=["winner", "age"])),
    ],
    "executor": [(r"winner", say("Ada")), (r"age", say("27"))],
    "reflecting": [
        (r"Use ReviseAnswer", call(("ReviseAnswer", {**_ANSWER, "references": ["book"]}))),
        (r"Use AnswerQuestion", call(("AnswerQuestion", _ANSWER))),
    ],
    "searcher": [
        (r"rate: ", say_json(thoughts="fine", score=7, found=True)),
        (r"way (\d)", say("this way")),
        (r"solve", say("no way")),
    ],
    "summing-up": [
        (r"about", say("animals")),
        (r"cats", say("about cats")),
        (r"dogs", say("about dogs")),
        (r"birds", say("about birds")),
    ],
}
