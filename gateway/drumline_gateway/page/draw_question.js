// Questions of a run that has stopped to ask, each with a form made from its schema.

import { el, replace } from "./dom.js";
import { form, freeAnswer, inputs } from "./forms.js";
import { Tree } from "./draw_tree.js";

export class Questions {
  #drawn = null;
  #answers = new Map();

  // answer(resume) sends the answers of all questions at once, as {id: answer}.
  constructor(answer) {
    this.answer = answer;
    this.whole = el("div", { class: "questions", "aria-live": "polite" });
  }

  // open: whether the run stands there and can be answered
  draw(state, canAnswer) {
    const open = state.run?.status === "paused" && canAnswer;
    const key = `${open} ${state.questions.map((question) => question.id).join(" ")}`;
    if (this.#drawn === key) return;
    this.#drawn = key;
    this.#answers.clear();
    replace(this.whole, open ? state.questions.map((question) => this.#card(question, state.questions.length)) : []);
  }

  #card(question, count) {
    const title = `Question of ${question.node}`;
    return el("section", { class: "card question", "aria-label": title }, el("h2", {}, title),
      asked(question.value), this.#form(question, count));
  }

  #form(question, count) {
    const made = question.response_schema ? inputs(question.response_schema) : freeAnswer();
    const give = (value) => this.#give(question.id, value, count);
    const requests = requestsIn(question.value);
    if (requests && !question.response_schema) return decisions(requests, made, give);
    return form(made, [el("button", { class: "first", type: "submit" }, count > 1 ? "Answer this one" : "Answer")], give);
  }

  async #give(id, value, count) {
    this.#answers.set(id, value);
    if (this.#answers.size < count) throw new Error(`Kept. ${count - this.#answers.size} more of ${count} questions to answer.`);
    await this.answer(Object.fromEntries(this.#answers));
  }
}

function asked(value) {
  if (typeof value === "string") return el("p", {}, value);
  const text = ["question", "message", "prompt", "description"].map((key) => value?.[key]).find((each) => typeof each === "string");
  const rest = text ? Object.fromEntries(Object.entries(value).filter(([, each]) => each !== text)) : value;
  const tree = new Tree("What it asks");
  tree.draw({ before: undefined, now: rest });
  const empty = text && Object.keys(rest).length === 0;
  return el("div", {}, text ? el("p", {}, text) : null, empty ? null : tree.body);
}

// What LangChain's human in the loop asks: whether actions may be taken.
function requestsIn(value) {
  const requests = value?.action_requests;
  return Array.isArray(requests) && requests.length ? requests : null;
}

function decisions(requests, made, give) {
  const all = (decision) => give({ decisions: requests.map(() => decision) });
  const button = (text, kind, work) => el("button", { type: "button", class: kind, onclick: () => whole.sending(work) }, text);
  const whole = form(made, [
    button("Approve", "first", () => all({ type: "approve" })),
    button("Reject", "", () => all({ type: "reject", message: made.value() || undefined })),
  ], () => all({ type: "approve" }));
  return whole;
}
