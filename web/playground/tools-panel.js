import { byId, make } from "../lib/elements.js";
import { ToolAnswers, asJson, readMock } from "./tool-mocks.js";

const EXAMPLE = {
  name: "get_weather",
  description: "Tells the weather of a city.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  output: { temperature: 21, sky: "clear" },
};

/** Tools with made-up answers, and the calls that wait for the user. */
export class ToolsPanel {
  #session;
  #answers = new ToolAnswers();
  #asks = byId("tool-asks", HTMLInputElement);

  /** @param {import("./playground-session.js").PlaygroundSession} session */
  constructor(session) {
    this.#session = session;
    this.#fill(EXAMPLE.name, EXAMPLE.description, EXAMPLE.parameters, JSON.stringify(EXAMPLE.output));
    this.#asks.addEventListener("change", () => (field("tool-output").disabled = this.#asks.checked));
    byId("tool-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    this.#draw();
  }

  /** @param {import("../lib/transcript.js").ServerEvent} event  of the server */
  take(event) {
    const before = this.#answers.waiting.length;
    for (const each of this.#answers.take(event)) this.#session.send(each);
    if (this.#answers.waiting.length === before) return;
    this.#drawCalls();
    const panel = byId("calls", HTMLElement).parentElement;
    if (panel) panel.scrollTop = 0; // where the calls are
  }

  #save() {
    const entered = {
      name: byId("tool-name", HTMLInputElement).value.trim(),
      description: byId("tool-description", HTMLInputElement).value,
      parameters: field("tool-parameters").value,
      output: field("tool-output").value,
      asks: this.#asks.checked,
    };
    const read = readMock(entered);
    byId("tool-problem", HTMLElement).textContent = "problem" in read ? read.problem : "";
    for (const name of ["name", "parameters", "output"]) {
      const control = byId(`tool-${name}`, HTMLElement);
      control.setAttribute("aria-invalid", String("field" in read && read.field === name));
    }
    if ("field" in read) return byId(`tool-${read.field}`, HTMLElement).focus();
    this.#answers.put(read.mock);
    this.#tell();
  }

  #tell() {
    this.#session.update("tools", { tools: this.#answers.toolsIn(this.#session.session.tools ?? []) });
    this.#draw();
  }

  /**
   * @param {string} name
   * @param {string} description
   * @param {object} parameters
   * @param {string | null} output
   */
  #fill(name, description, parameters, output) {
    byId("tool-name", HTMLInputElement).value = name;
    byId("tool-description", HTMLInputElement).value = description;
    field("tool-parameters").value = JSON.stringify(parameters, null, 2);
    field("tool-output").value = output ?? "";
    field("tool-output").disabled = this.#asks.checked = output === null;
  }

  #draw() {
    const rows = this.#answers.mocks.map(({ name, description, parameters, output }) => {
      const edit = make("button", "small", "Edit");
      const remove = make("button", "small", "Remove");
      for (const [button, what] of /** @type {[HTMLButtonElement, string][]} */ ([[edit, "Edit"], [remove, "Remove"]])) {
        button.type = "button";
        button.setAttribute("aria-label", `${what} ${name}`);
      }
      edit.addEventListener("click", () => this.#fill(name, description, parameters, output));
      remove.addEventListener("click", () => {
        this.#answers.remove(name);
        this.#tell();
      });
      return make("li", "", make("code", "", name), make("span", "hint", output === null ? "asks you" : output.slice(0, 60)), edit, remove);
    });
    const list = byId("tool-list", HTMLElement);
    list.replaceChildren(...rows);
    list.hidden = rows.length === 0;
    this.#drawCalls();
  }

  #drawCalls() {
    const calls = this.#answers.waiting.map((call) => (call.kind === "call" ? this.#call(call) : this.#approval(call)));
    byId("calls", HTMLElement).replaceChildren(...calls);
    byId("tab-tools", HTMLElement).textContent = calls.length ? `Tools (${calls.length})` : "Tools";
  }

  /** @param {import("./tool-mocks.js").Waiting} call */
  #call({ id, name, arguments: given }) {
    const output = Object.assign(make("textarea", ""), { rows: 2, value: "{}" });
    const problem = make("p", "problem");
    const form = make("form", "call", make("p", "", "The model calls ", make("code", "", `${name}(${given})`)));
    form.append(make("label", "", "Your answer, JSON ", output), problem, make("button", "primary", "Answer"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const read = asJson(output.value);
      problem.textContent = "problem" in read ? read.problem : "";
      if ("problem" in read) return;
      for (const each of this.#answers.answer(id, output.value)) this.#session.send(each);
      this.#drawCalls();
    });
    return form;
  }

  /** @param {import("./tool-mocks.js").Waiting} call */
  #approval({ id, name, arguments: given, server }) {
    const answer = (/** @type {string} */ text, /** @type {boolean} */ approve) => {
      const button = make("button", approve ? "primary" : "secondary", text);
      button.type = "button";
      button.addEventListener("click", () => {
        for (const each of this.#answers.approve(id, approve)) this.#session.send(each);
        this.#drawCalls();
      });
      return button;
    };
    const question = make("p", "", "May ", make("code", "", `${name}(${given})`), ` of the MCP server “${server}” be called?`);
    return make("div", "call", question, make("div", "actions", answer("Deny", false), answer("Allow", true)));
  }
}

/** @param {string} id */
function field(id) {
  return byId(id, HTMLTextAreaElement);
}
