// A page in jsdom, driven by lines of JSON: `node page.mjs MODULES URL`. Each line is {do, ...}, each gets one answer.
//
//   {do: "open", hook, options, listen, looks}  mounts a component with a hook of hooks.mjs
//   {do: "call", run}       runs `(shown, ...) => ...` on what the hook returned last, and does not wait for it
//   {do: "until", holds}    answers with what is shown as soon as `(shown) => ...` is true
//   {do: "reload", options} what a browser does: requests are cut, and the same component is mounted anew
//   {do: "told"}            answers with what callbacks heard, texts of the last message, and requests
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, url] = process.argv.slice(2);
const LIMIT_MS = 60_000; // the SDK waits longer and longer before it comes back to a server that is away
// stdout is for answers alone
for (const kind of ["log", "warn", "error", "info", "debug"]) {
  console[kind] = (...words) => process.stderr.write(`${words.map(String).join(" ")}\n`);
}

const require = createRequire(`${modules}/`);
const { JSDOM } = require("jsdom");
const { window } = new JSDOM("<!doctype html><main></main>", { url: "http://localhost:3000/", pretendToBeVisual: true });
for (const name of ["document", "sessionStorage", "localStorage", "HTMLElement", "Element", "Node", "MutationObserver"]) {
  globalThis[name] = window[name];
}
globalThis.window = window;
Object.defineProperty(globalThis, "navigator", { value: window.navigator, configurable: true });

const load = (name) => import(pathToFileURL(require.resolve(name)));
const React = (await load("react")).default;
const { createRoot } = await load("react-dom/client");

/** The requests of one page: all are cut when it is left. */
class Requests {
  constructor() {
    this.sent = [];
    this.leaving = new AbortController();
  }
  fetch = (input, init = {}) => {
    const path = String(input.url ?? input).slice(url.length);
    const body = typeof init.body === "string" ? JSON.parse(init.body) : null;
    this.sent.push({ method: init.method ?? "GET", path, body });
    return fetch(input, { ...init, signal: AbortSignal.any([this.leaving.signal, ...(init.signal ? [init.signal] : [])]) });
  };
}

const { hooks } = await import("./hooks.mjs");
let page = null;

class Page {
  constructor({ hook, options = {}, listen = [], looks = true }) {
    Object.assign(this, { hook, options, listen, looks, told: [], texts: [], waiting: [], shown: null, requests: [] });
  }
  async mount() {
    const requests = new Requests();
    const leaving = requests.leaving;
    this.requests.push(requests);
    const use = await hooks[this.hook]({ load, React, url, fetch: requests.fetch, options: this.options, tell: this.tell(leaving) });
    const Component = () => {
      this.shown = use();
      if (this.looks) hooks.plain(this.shown); // as a component reads what it renders: hooks ask the server for no more
      const text = hooks.text(this.shown);
      if (text != null && text !== this.texts.at(-1)) this.texts.push(text);
      React.useEffect(() => this.look());
      return null;
    };
    this.root = createRoot(document.querySelector("main"));
    const component = React.createElement(Component);
    this.root.render(use.around ? use.around(component) : component);
    this.leave = () => leaving.abort();
  }
  /** What is told under one of the names that the test listens to; nothing once the page is left. */
  tell(leaving) {
    const tellers = this.listen.map((name) => [name, (...told) => void (leaving.signal.aborted || this.told.push([name, ...told]))]);
    return Object.fromEntries(tellers);
  }
  look() {
    this.waiting = this.waiting.filter((waits) => !waits());
  }
  until(holds) {
    const condition = evaluated(holds);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not within ${LIMIT_MS} ms: ${holds}\nshown: ${text(this.plain())}`)), LIMIT_MS);
      const waits = () => {
        if (this.shown == null || !condition(this.shown)) return false;
        clearTimeout(timer);
        resolve(this.plain());
        return true;
      };
      if (!waits()) this.waiting.push(waits);
    });
  }
  plain() {
    return this.shown && hooks.plain(this.shown);
  }
  async reload(more) {
    this.leave();
    this.root.unmount();
    this.shown = null;
    Object.assign(this.options, more);
    await this.mount();
  }
}

const text = (value) => JSON.stringify(value, (_key, part) => (part instanceof Error ? { name: part.name, message: part.message } : part));
const evaluated = (code) => new Function(`return (${code})`)();

const doers = {
  async open(words) {
    if (page) {
      page.leave();
      page.root.unmount();
    }
    sessionStorage.clear();
    page = new Page(words);
    await page.mount();
  },
  async call({ run, args = [] }) {
    Promise.resolve(evaluated(run)(page.shown, ...args)).catch((error) => void page.told.push(["refused", String(error)]));
  },
  until: ({ holds }) => page.until(holds),
  reload: ({ options }) => page.reload(options),
  told: async () => ({ told: page.told, texts: page.texts, sent: page.requests.map((each) => each.sent) }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const words = JSON.parse(line);
  let answer;
  try {
    answer = { ok: (await doers[words.do](words)) ?? null };
  } catch (error) {
    answer = { error: String(error.stack ?? error) };
  }
  process.stdout.write(`${text(answer)}\n`);
}
process.exit(0);
