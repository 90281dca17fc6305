"""The guide's first graph. Run it here:         python app.py
On a cluster on this machine, in two terminals:  drumline up app.py:graph
                                                 drumline run graph --input '{"topic": "ice cream"}'
"""

from typing import TypedDict

from drumline.graph import END, START, StateGraph


class State(TypedDict, total=False):
    topic: str
    joke: str


def refine_topic(state: State) -> State:
    return {"topic": state["topic"] + " and cats"}


def generate_joke(state: State) -> State:
    return {"joke": f"This is a joke about {state['topic']}"}


graph = (
    StateGraph(State)
    .add_node("refine_topic", refine_topic)
    .add_node("generate_joke", generate_joke)
    .add_edge(START, "refine_topic")
    .add_edge("refine_topic", "generate_joke")
    .add_edge("generate_joke", END)
    .compile(name="graph")
)

if __name__ == "__main__":
    for chunk in graph.stream({"topic": "ice cream"}, stream_mode="updates"):
        print(chunk)
