// Messages of models as they grow, by the node that speaks. Pure.

const CHUNK = /Chunk$/;

// The text of a message's content: a text, or a list of blocks.
export function textOf(content, kind = "text") {
  if (typeof content === "string") return kind === "text" ? content : "";
  if (!Array.isArray(content)) return "";
  return content
    .map((block) => {
      if (typeof block === "string") return kind === "text" ? block : "";
      if (!block || typeof block !== "object") return "";
      if (kind === "text") return block.type === "text" && typeof block.text === "string" ? block.text : "";
      return [block.reasoning, block.thinking].find((text) => typeof text === "string") ?? "";
    })
    .join("");
}

// data: [message or chunk, metadata]
export function addMessage(state, data, ns) {
  const [message, metadata] = data;
  if (!message || typeof message !== "object") return state;
  const place = String(metadata?.langgraph_checkpoint_ns ?? "");
  const parts = place ? place.split("|") : ns;
  const last = parts[parts.length - 1] ?? "";
  const task = last.slice(last.lastIndexOf(":") + 1) || state.emitter?.task || "";
  const node = pathIn(parts) || String(metadata?.langgraph_node ?? "");
  // drumline's own messages have a role and no type: one that is not known yet may be whole, and grows if more comes
  const isChunk = message.type === undefined || CHUNK.test(String(message.type));
  const id = `m:${message.id ?? `${task}:${state.spoken.length}`}`;
  const known = state.messages[id];
  const next = isChunk && known && !known.whole ? grown(known, message) : begun(id, node, task, message, !isChunk);
  return {
    ...state,
    messages: { ...state.messages, [id]: next },
    spoken: known ? state.spoken : [...state.spoken, id],
    columns: state.columns.includes(node) ? state.columns : [...state.columns, node],
  };
}

function pathIn(parts) {
  return parts.map((part) => part.slice(0, part.lastIndexOf(":"))).filter(Boolean).join(":");
}

function begun(id, node, task, message, whole) {
  const made = {
    id, node, task, role: roleOf(message), text: "", thought: "", tools: [], whole, typing: !whole, taken: false,
  };
  return grown(made, message, whole);
}

function grown(message, chunk, whole = false) {
  const last = whole || chunk.chunk_position === "last";
  return {
    ...message,
    text: message.text + textOf(chunk.content),
    thought: message.thought + textOf(chunk.content, "thought"),
    tools: toolsWith(message.tools, chunk, whole),
    typing: last ? false : message.typing,
    taken: false,
  };
}

function roleOf(message) {
  const type = String(message.type ?? message.role ?? "").replace(CHUNK, "");
  return { AIMessage: "ai", assistant: "ai", user: "human", HumanMessage: "human", ToolMessage: "tool", SystemMessage: "system" }[type] ?? type;
}

function toolsWith(tools, chunk, whole) {
  if (whole) {
    const calls = Array.isArray(chunk.tool_calls) ? chunk.tool_calls : [];
    return calls.map((call) => ({ name: String(call.name ?? ""), args: JSON.stringify(call.args ?? {}) }));
  }
  const parts = Array.isArray(chunk.tool_call_chunks) ? chunk.tool_call_chunks : [];
  const next = [...tools];
  for (const part of parts) {
    const at = Number.isInteger(part.index) && part.index >= 0 && part.index < 1000 ? part.index : next.length;
    const known = next[at] ?? { name: "", args: "" };
    next[at] = { name: known.name + (part.name ?? ""), args: known.args + (part.args ?? "") };
  }
  return next.filter(Boolean);
}

// An attempt is void: what it said may be said again, or not.
export function retractMessages(state, task) {
  return changed(state, (message) => (message.task === task ? { ...message, taken: true, typing: false } : message));
}

// A task is over (no task: all are), and types no more. If its last attempt has said nothing new, it said the same
// again, which is not told twice: then nothing is taken back.
export function settleMessages(state, task) {
  const mine = state.spoken.map((id) => state.messages[id]).filter((one) => task === undefined || one.task === task);
  const saidAnew = mine.some((message) => !message.taken);
  return changed(state, (message) => {
    if (!mine.includes(message)) return message;
    const taken = message.taken && (saidAnew || task === undefined);
    return message.typing || taken !== message.taken ? { ...message, typing: false, taken } : message;
  });
}

function changed(state, change) {
  let messages = state.messages;
  for (const id of state.spoken) {
    const next = change(state.messages[id]);
    if (next !== state.messages[id]) messages = { ...messages, [id]: next };
  }
  return messages === state.messages ? state : { ...state, messages };
}
