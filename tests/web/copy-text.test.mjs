/** Copying text, and keys that are the browser's. */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { copyText } from "../../web/lib/copy-text.js";
import { isPlainKey } from "../../web/lib/plain-key.js";

const WEB = new URL("../../web/", import.meta.url);

/** A page that is not secure, such as one of another machine over http: it has no `navigator.clipboard`. */
function insecurePage() {
  const copied = [];
  const field = { value: "", select: () => copied.push(field.value), remove() {} };
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  globalThis.HTMLElement ??= class {};
  globalThis.document = {
    activeElement: null,
    body: { append() {} },
    createElement: () => field,
    querySelector: () => null,
    execCommand: (command) => command === "copy",
  };
  return copied;
}

test("text is copied on a page that is not secure, too", async () => {
  const copied = insecurePage();
  assert.equal(await copyText("The captions."), true);
  assert.deepEqual(copied, ["The captions."]);
});

test("every page copies in that way", () => {
  const users = readdirSync(WEB, { recursive: true })
    .filter((name) => name.endsWith(".js") && !name.includes("node_modules"))
    .filter((name) => readFileSync(new URL(name, WEB), "utf8").includes("navigator.clipboard"));
  assert.deepEqual(users, ["lib/copy-text.js"]);
});

test("a key with Ctrl, Alt or Meta is the browser's, one with Shift is not", () => {
  const none = { ctrlKey: false, altKey: false, metaKey: false };
  assert.equal(isPlainKey({ ...none, shiftKey: true }), true);
  for (const name of Object.keys(none)) assert.equal(isPlainKey({ ...none, [name]: true }), false, name);
});
