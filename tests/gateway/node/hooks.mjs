// The vendors' hooks that page.mjs mounts: each loads its package, and gives what a component is to call.

async function legacy({ load, url, fetch, options, tell }) {
  const { useStream } = await load("@langchain/langgraph-sdk/react");
  const callerOptions = { fetch };
  return () => useStream({ apiUrl: url, callerOptions, ...options, ...tell });
}

/** What a test looks at of what a hook returned. */
function plain(shown) {
  const names = ["values", "messages", "isLoading", "error", "interrupt", "branch", "isThreadLoading", "toolProgress"];
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

export const hooks = { legacy, plain, text };
