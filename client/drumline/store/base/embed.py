"""LangGraph's `langgraph.store.base.embed`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "Stores",
    "ensure_embeddings",
    "EmbeddingsFunc",
    "AEmbeddingsFunc",
    "EmbeddingsLambda",
    "get_text_at_path",
    "tokenize_path",
)
