"""Messages on the `messages` stream from any client of any model, without LangChain.

    from drumline import messages

    def answer(state):
        out = messages.start()
        for delta in client.stream(state["question"]):
            out.write(delta)
        return {"messages": [out.message()]}

The stream's items are `(MessageChunk, metadata)`, as those of LangChain's models are `(AIMessageChunk, metadata)`.
"""

from drumline_graph.message_types import Message, MessageChunk
from drumline_worker.message_stream import MessageStream, emit, start

__all__ = ["Message", "MessageChunk", "MessageStream", "emit", "start"]
