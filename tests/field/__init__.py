"""The field kit: graphs as the READMEs of LangGraph's ecosystem show them, on every engine (docs/field.md)."""
