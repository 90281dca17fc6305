"""LangGraph's `langgraph.pregel.debug`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "Inside of LangGraph's debug stream",
    "get_bolded_text",
    "get_colored_text",
    "is_multiple_channel_write",
    "map_debug_checkpoint",
    "map_debug_task_results",
    "map_debug_tasks",
    "map_task_result_writes",
    "rm_pregel_keys",
    "tasks_w_writes",
    advice='Read stream_mode="debug".',
)
