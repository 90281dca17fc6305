// The vendors' hooks that page.mjs mounts: each loads its package, and gives what a component is to call.

async function legacy({ load, url, fetch, options, tell }) {
  const { useStream } = await load("@langchain/langgraph-sdk/react");
  const callerOptions = { fetch };
  return () => useStream({ apiUrl: url, callerOptions, ...options, ...tell });
}

/** The newer hook, over commands and events of a thread. Its messages are instances of LangChain's classes. */
async function react({ load, url, fetch, options, tell }) {
  const { useMessages, useStream } = await load("@langchain/react");
  const callerOptions = { fetch };
  return () => {
    const shown = useStream({ apiUrl: url, callerOptions, fetch, ...options, ...tell });
    const inner = [...shown.subgraphs.values()];
    const deep = useMessages(shown, inner[0]); // of no graph within: those of the root
    const plain = ({ type, content, id }) => ({ type, content: flat(content), id });
    const subgraphs = inner.map(({ nodeName, status, namespace }) => ({ nodeName, status, depth: namespace.length }));
    return { ...shown, messages: shown.messages.map(plain), subgraphs, deep: inner.length ? deep.map(plain) : [] };
  };
}

/** What a content says, which may be blocks. */
const flat = (content) => (typeof content === "string" ? content : content.map((block) => block.text ?? "").join(""));

/** The runtime of assistant-ui; what its components would show of it is brought into the shape of the other hooks. */
async function assistant({ load, React, url, fetch, options, tell }) {
  const { Client } = await load("@langchain/langgraph-sdk");
  const ui = await load("@assistant-ui/react");
  const graph = await load("@assistant-ui/react-langgraph");
  const client = new Client({ apiUrl: url, callerOptions: { fetch } });
  const { assistantId, ...more } = options;
  const stream = graph.unstable_createLangGraphStream({ client, assistantId, ...more });
  const create = async () => ({ externalId: (await client.threads.create()).thread_id });
  const load_ = async (id) => {
    const { values, tasks } = await client.threads.getState(id);
    return { messages: values.messages ?? [], interrupts: tasks.flatMap((task) => task.interrupts) };
  };
  const Around = ({ children }) => {
    const runtime = graph.useLangGraphRuntime({ stream, create, load: load_, unstable_allowCancellation: true, eventHandlers: tell });
    return React.createElement(ui.AssistantRuntimeProvider, { runtime }, children);
  };
  const use = () => {
    const thread = ui.useAuiState((state) => state.thread);
    const aui = ui.useAui();
    const texts = (content) => content.filter((part) => part.type === "text").map((part) => part.text);
    const tools = (content) => content.filter((part) => part.type === "tool-call").map(({ toolName, args, result }) => ({ toolName, args, result }));
    return {
      messages: thread.messages.map(({ content, status }) => ({ content: texts(content).join(""), tools: tools(content), status })),
      isLoading: thread.isRunning,
      isThreadLoading: thread.isLoading,
      interrupt: graph.useLangGraphInterruptState(),
      command: graph.useLangGraphSendCommand(),
      aui,
    };
  };
  use.around = (component) => React.createElement(Around, null, component);
  return use;
}

/** What a test looks at of what a hook returned. */
function plain(shown) {
  const names = ["values", "messages", "isLoading", "error", "interrupt", "branch", "isThreadLoading", "toolProgress", "subgraphs", "deep"];
  const seen = Object.fromEntries(names.map((name) => [name, shown[name] ?? null]));
  const history = Object.getOwnPropertyDescriptor(shown, "history");
  try {
    seen.history = history && shown.history;
  } catch {
    // the hook was not asked to fetch it
  }
  return seen;
}

/** What the last message says at the moment. */
const text = (shown) => shown.messages?.at(-1)?.content;

export const hooks = { legacy, react, assistant, plain, text };
