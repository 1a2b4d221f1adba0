/** Which part of a reply is struck out. The page is a named fake. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

/** An element or a text of a page, as far as a reply is drawn with it. */
class FakeNode {
  children = [];
  constructor(localName, data = "") {
    Object.assign(this, { localName, data, className: "" });
  }
  append(...nodes) {
    this.children.push(...nodes.map((node) => (typeof node === "string" ? new FakeNode("", node) : node)));
  }
  appendData(more) {
    this.data += more;
  }
  get textContent() {
    return this.data + this.children.map((child) => child.textContent).join("");
  }
}

before(() => {
  globalThis.document = {
    createElement: (name) => new FakeNode(name),
    createTextNode: (data) => new FakeNode("", data),
    getSelection: () => null,
  };
});
after(() => delete globalThis.document);

const { TextView } = await import("../../web/assistant/text-view.js");

test("the line through what was not heard begins at a word, not at the space after what was", () => {
  const view = new TextView();
  view.show("One two three.", 0, { lit: 7, cut: true });
  assert.deepEqual(
    view.element.children.map((part) => [part.localName, part.className, part.textContent]),
    [["span", "said", "One two "], ["s", "unheard", "three."]],
  );
});
