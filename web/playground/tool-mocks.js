/** Tools whose answers are made up here, and the calls that wait for one. Pure. */

/** @typedef {{name: string, description: string, parameters: Record<string, any>, output: string | null}} Mock  `output` null: ask me */
/** @typedef {import("../lib/transcript.js").ServerEvent} ServerEvent */
/** @typedef {import("../lib/connection.js").ClientEvent} ClientEvent */
/** @typedef {{kind: "call" | "approval", id: string, name: string, arguments: string, server: string}} Waiting  `server`: the MCP server, or "" */

const MAX_WAITING = 100;

/**
 * @param {{name: string, description: string, parameters: string, output: string, asks: boolean}} entered
 * @returns {{mock: Mock} | {field: "name" | "parameters" | "output", problem: string}}
 */
export function readMock({ name, description, parameters, output, asks }) {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    return { field: "name", problem: "A name has 1 to 64 letters, digits, - or _." };
  }
  const schema = asJson(parameters.trim() || "{}");
  if ("problem" in schema) return { field: "parameters", problem: schema.problem };
  if (typeof schema.value !== "object" || schema.value === null || Array.isArray(schema.value)) {
    return { field: "parameters", problem: "The schema must be a JSON object." };
  }
  if (!asks) {
    const read = asJson(output);
    if ("problem" in read) return { field: "output", problem: `${read.problem} Put a text in quotation marks.` };
  }
  return { mock: { name, description, parameters: schema.value, output: asks ? null : output } };
}

/**
 * @param {string} text
 * @returns {{value: any} | {problem: string}}
 */
export function asJson(text) {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { problem: `This is not JSON: ${/** @type {Error} */ (error).message}.` };
  }
}

/** Answers calls: at once where there is a mock, else when the user has. */
export class ToolAnswers {
  /** @type {Map<string, Mock>} */
  #mocks = new Map();
  /** @type {Set<string>} the names of all mocks that there have been */
  #names = new Set();
  /** @type {Map<string, Waiting>} */
  #waiting = new Map();

  /** @returns {Waiting[]} what the user is asked for */
  get waiting() {
    return [...this.#waiting.values()];
  }

  /** @returns {Mock[]} */
  get mocks() {
    return [...this.#mocks.values()];
  }

  /** @param {Mock} mock  it takes the place of one with the same name */
  put(mock) {
    this.#mocks.set(mock.name, mock);
    this.#names.add(mock.name);
  }

  /** @param {string} name */
  remove(name) {
    this.#mocks.delete(name);
  }

  /**
   * @param {readonly any[]} present  `session.tools`
   * @returns {any[]} `session.tools` with the mocks in place of those before; tools that are no mocks stay
   */
  toolsIn(present) {
    const functions = this.mocks.map(({ name, description, parameters }) => ({ type: "function", name, description, parameters }));
    return [...functions, ...present.filter(({ type, name }) => type !== "function" || !this.#names.has(name))];
  }

  /**
   * @param {ServerEvent} event
   * @returns {ClientEvent[]} to send
   */
  take(event) {
    if (event.type === "session.created") this.#waiting.clear();
    if (event.type !== "response.done") return [];
    /** @type {ClientEvent[]} */
    const answers = [];
    for (const item of event.response.output) {
      if (item.type === "mcp_approval_request") this.#wait({ kind: "approval", ...named(item), id: item.id });
      if (item.type !== "function_call" || item.status !== "completed") continue;
      const output = this.#mocks.get(item.name)?.output ?? null;
      if (output === null) this.#wait({ kind: "call", ...named(item), id: item.call_id });
      else answers.push(outputOf(item.call_id, output));
    }
    return answers.length ? this.#thenAnswer(answers) : [];
  }

  /**
   * @param {string} callId
   * @param {string} output
   * @returns {ClientEvent[]} to send
   */
  answer(callId, output) {
    return this.#waiting.delete(callId) ? this.#thenAnswer([outputOf(callId, output)]) : [];
  }

  /**
   * @param {string} requestId
   * @param {boolean} approve
   * @returns {ClientEvent[]} to send
   */
  approve(requestId, approve) {
    if (!this.#waiting.delete(requestId)) return [];
    const item = { type: "mcp_approval_response", approval_request_id: requestId, approve };
    return [{ type: "conversation.item.create", item }];
  }

  /** @param {Waiting} call */
  #wait(call) {
    this.#waiting.set(call.id, call);
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > MAX_WAITING && oldest !== undefined) this.#waiting.delete(oldest);
  }

  /** @param {ClientEvent[]} answers  the model answers when all calls have their results */
  #thenAnswer(answers) {
    return this.waiting.some(({ kind }) => kind === "call") ? answers : [...answers, { type: "response.create" }];
  }
}

/** @param {any} item */
function named(item) {
  return { name: String(item.name), arguments: String(item.arguments ?? ""), server: String(item.server_label ?? "") };
}

/**
 * @param {string} callId
 * @param {string} output
 * @returns {ClientEvent}
 */
function outputOf(callId, output) {
  return { type: "conversation.item.create", item: { type: "function_call_output", call_id: callId, output } };
}
