import { isPlainKey } from "../lib/plain-key.js";

/** Shows one panel of several: arrow keys, Home and End move between the tabs. */
export class Tabs {
  #tabs;

  /**
   * @param {Element} list  with the role `tablist`
   * @param {(panel: string) => void} [shown]  the id of the panel that is shown now
   */
  constructor(list, shown = () => {}) {
    this.#tabs = /** @type {HTMLElement[]} */ ([...list.querySelectorAll('[role="tab"]')]);
    for (const [index, tab] of this.#tabs.entries()) {
      tab.addEventListener("click", () => this.#show(tab, shown));
      tab.addEventListener("keydown", (event) => {
        if (!isPlainKey(event)) return;
        const last = this.#tabs.length - 1;
        const to = { ArrowRight: index === last ? 0 : index + 1, ArrowLeft: index === 0 ? last : index - 1, Home: 0, End: last }[event.key];
        if (to === undefined) return;
        const next = /** @type {HTMLElement} */ (this.#tabs[to]);
        next.focus();
        this.#show(next, shown);
      });
    }
  }

  /**
   * @param {HTMLElement} chosen
   * @param {(panel: string) => void} shown
   */
  #show(chosen, shown) {
    for (const tab of this.#tabs) {
      const is = tab === chosen;
      tab.setAttribute("aria-selected", String(is));
      tab.tabIndex = is ? 0 : -1;
      const panel = document.getElementById(tab.getAttribute("aria-controls") ?? "");
      if (panel) panel.hidden = !is;
    }
    shown(chosen.getAttribute("aria-controls") ?? "");
  }
}
