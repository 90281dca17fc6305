"""Long-term memory: items that outlive runs and threads, under namespaces (LangGraph's `langgraph.store`).

`drumline.store.memory`, `drumline.store.sqlite` and `drumline.store.redis` keep them; `drumline.store.base` is the
interface. Any store with LangGraph's interface may be given to `compile(store=)` as it is.
"""
