// Server-sent events read by fetch, which can send headers: bytes in, frames out. `Frames` is pure.

export class Frames {
  #rest = "";
  #event = "";
  #id = "";
  #data = [];

  // The frames that a piece of text completes: [{event, id, data}].
  add(text) {
    const frames = [];
    const whole = this.#rest + text;
    const lines = whole.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line, frames);
    return frames;
  }

  #line(line, frames) {
    if (line === "") {
      if (this.#data.length) frames.push({ event: this.#event || "message", id: this.#id, data: this.#data.join("\n") });
      this.#event = "";
      this.#data = [];
      return;
    }
    const at = line.indexOf(":");
    const name = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#event = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
  }
}

const WAIT_MS = [200, 500, 1000, 2000, 5000];

// Read a stream to its last frame, `end` or `error`; come back by `Last-Event-ID` whenever it just closes.
// `open(headers, signal)` answers with a Response; `told.frame(frame)`, `told.state("live" | "waiting" | "ended")`.
export async function follow(open, told, signal, after = "") {
  let last = after;
  let tries = 0;
  while (!signal.aborted) {
    try {
      const response = await open(last ? { "Last-Event-ID": last } : {}, signal);
      if (!response.ok) {
        if (response.status < 500 && response.status !== 429) throw new Refused(await detailOf(response));
        throw new Error(await detailOf(response));
      }
      told.state("live");
      const frames = new Frames();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let over = false;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        for (const frame of frames.add(value)) {
          tries = 0;
          if (frame.id) last = frame.id;
          told.frame(frame);
          if (frame.event === "end" || frame.event === "error") {
            over = true; // the gateway closes it
          }
        }
      }
      if (over) {
        told.state("ended");
        return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused) {
        told.state("ended");
        throw error;
      }
    }
    told.state("waiting");
    await pause(WAIT_MS[Math.min(tries++, WAIT_MS.length - 1)], signal);
  }
}

export class Refused extends Error {}

export async function detailOf(response) {
  const text = await response.text();
  try {
    const detail = JSON.parse(text).detail;
    return typeof detail === "string" ? detail : text;
  } catch {
    return text || `HTTP ${response.status}`;
  }
}

function pause(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}
