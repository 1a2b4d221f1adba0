import { make } from "../lib/elements.js";
import { merged } from "./json-paths.js";
import { FIELDS, GROUPS, shown } from "./session-fields.js";

/** @typedef {import("./session-fields.js").Field} Field */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

/** The controls of the session object's fields. */
export class SessionForm {
  /** @type {Map<string, {control: Control, row: HTMLElement, problem: HTMLElement}>} by the path of the field */
  #rows = new Map();

  /**
   * @param {HTMLElement} place
   * @param {(field: Field, entered: string | boolean) => void} changed  by the user
   */
  constructor(place, changed) {
    for (const [index, { title, fields }] of GROUPS.entries()) {
      const group = make("details", "", make("summary", "", title));
      group.open = index === 0 || title === "Turn detection";
      for (const field of fields) group.append(this.#row(field, changed));
      place.append(group);
    }
  }

  /**
   * @param {string} path
   * @param {{value: string, label: string}[]} choices  besides the default
   */
  offer(path, choices) {
    const control = this.#rows.get(path)?.control;
    if (!(control instanceof HTMLSelectElement)) return;
    control.replaceChildren(new Option("default", ""), ...choices.map(({ value, label }) => new Option(label, value)));
  }

  /**
   * @param {import("./json-paths.js").Json} session  as the server has it
   * @param {import("./json-paths.js").Json} update  what is to be changed
   */
  show(session, update) {
    const wanted = merged(session, update);
    for (const field of FIELDS) {
      const { control, row } = /** @type {{control: Control, row: HTMLElement}} */ (this.#rows.get(field.path));
      row.hidden = field.applies?.(wanted) === false;
      if (control === document.activeElement && control instanceof HTMLTextAreaElement) continue;
      const value = shown(field, wanted);
      if (typeof value === "boolean") /** @type {HTMLInputElement} */ (control).checked = value;
      else {
        const known = !(control instanceof HTMLSelectElement) || [...control.options].some((option) => option.value === value);
        if (!known) control.append(new Option(value, value));
        if (control !== document.activeElement || control instanceof HTMLSelectElement) control.value = value;
      }
      row.classList.toggle("changed", JSON.stringify(value) !== JSON.stringify(shown(field, session)));
    }
  }

  /**
   * @param {Field | null} field  the one that the server refused; null: none of them
   * @param {string} message
   */
  refuse(field, message) {
    for (const [path, { control, problem, row }] of this.#rows) {
      const is = path === field?.path;
      problem.textContent = is ? message : "";
      control.toggleAttribute("aria-invalid", is);
      if (is) control.setAttribute("aria-invalid", "true");
      const group = row.closest("details");
      if (is && group) group.open = true;
    }
    if (field) this.#rows.get(field.path)?.control.focus();
  }

  /**
   * @param {Field} field
   * @param {(field: Field, entered: string | boolean) => void} changed
   */
  #row(field, changed) {
    const { path, label, kind, hint = "", unit } = field;
    const id = `field-${path.replaceAll(".", "-")}`;
    const control = controlOf(field);
    control.id = id;
    const name = make("label", "", unit ? `${label} (${unit})` : label);
    name.htmlFor = id;
    const help = make("p", "hint", hint);
    const problem = make("p", "problem");
    help.id = `${id}-hint`;
    problem.id = `${id}-problem`;
    control.setAttribute("aria-describedby", `${problem.id}${hint ? ` ${help.id}` : ""}`);
    const row = make("div", kind === "check" ? "field check" : "field", ...(kind === "check" ? [control, name] : [name, control]));
    if (hint) row.append(help);
    row.append(problem);
    control.addEventListener(kind === "choice" || kind === "check" ? "change" : "input", () =>
      changed(field, control instanceof HTMLInputElement && kind === "check" ? control.checked : control.value),
    );
    this.#rows.set(path, { control, row, problem });
    return row;
  }
}

/**
 * @param {Field} field
 * @returns {Control}
 */
function controlOf({ kind, choices = [] }) {
  if (kind === "choice") {
    const select = make("select", "");
    select.append(...choices.map(({ value, label }) => new Option(label, value)));
    return select;
  }
  if (kind === "lines") return Object.assign(make("textarea", ""), { rows: 3 });
  const input = make("input", "");
  input.type = kind === "check" ? "checkbox" : "text";
  if (kind === "number") input.inputMode = "decimal";
  input.autocomplete = "off";
  input.spellcheck = false;
  return input;
}
