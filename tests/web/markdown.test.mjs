import assert from "node:assert/strict";
import { test } from "node:test";

import { parseMarkdown, plainText } from "../../web/assistant/markdown.js";

/** The tree as short markup, with the source's own characters as text. */
function read(source, reading) {
  const drawn = (nodes) => nodes.map(one).join("");
  const one = (node) => {
    if (node.type === "text") return source.slice(node.from, node.to);
    const { level, language, start, align, href } = node;
    const more = [level, language, start, align, href].filter((each) => each !== undefined && each !== "");
    return `<${[node.type, ...more].join(" ")}>${drawn(node.children)}</>`;
  };
  return drawn(parseMarkdown(source, reading));
}

/** Of a source that is one paragraph: what is in it. */
const inline = (source, reading) => read(source, reading).replace(/^<paragraph>(.*)<\/>$/s, "$1");

test("bold, italic, struck out and code", () => {
  assert.equal(inline("**Note:** *a* _b_ `c` ~~d~~"), "<strong>Note:</> <emphasis>a</> <emphasis>b</> <inline-code>c</> <deleted>d</>");
  assert.equal(inline("***both*** **a *b* c**"), "<emphasis><strong>both</></> <strong>a <emphasis>b</> c</>");
});

test("marks that stand for themselves are text", () => {
  for (const text of ["2*3*4", "snake_case_name", "5 * 3 * 2", "a ** b", "~ 5 ~", "**", "[a] (b)", "`", "a < b > c"]) {
    assert.equal(inline(text), text);
  }
  assert.equal(inline("\\*no\\* \\[no\\](x)"), "*no* [no](x)");
});

test("emphasis in scripts without spaces", () => {
  assert.equal(inline("中文：**粗体：**正文"), "中文：<strong>粗体：</>正文");
});

test("links lead to the web and to e-mail addresses only", () => {
  assert.equal(inline("[docs](https://e.org/a_(b))"), "<link https://e.org/a_(b)>docs</>");
  assert.equal(inline('[t](http://e.org "Title") <mailto:a@e.org>'), "<link http://e.org/>t</> <link mailto:a@e.org>mailto:a@e.org</>");
  for (const url of ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///x", "//e.org", "/x"]) {
    assert.equal(inline(`[x](${url})`), `[x](${url})`);
    assert.equal(inline(`<${url}>`), `<${url}>`);
  }
});

test("an address in the text is a link without the punctuation after it", () => {
  assert.equal(inline("See https://e.org/x. (https://e.org/y)"), "See <link https://e.org/x>https://e.org/x</>. (<link https://e.org/y>https://e.org/y</>)");
  assert.equal(inline("**https://e.org**"), "<strong><link https://e.org/>https://e.org</></>");
  assert.equal(inline("xhttps://e.org"), "xhttps://e.org");
});

test("pictures are links, because nothing is loaded from elsewhere", () => {
  assert.equal(inline("![a bridge](https://e.org/b.png)"), "<link https://e.org/b.png>a bridge</>");
});

test("HTML is text", () => {
  assert.equal(inline("<script>alert(1)</script><img src=x onerror=y>"), "<script>alert(1)</script><img src=x onerror=y>");
});

test("a link ends emphasis that begins in it, and there are no links in links", () => {
  assert.equal(inline("*a [b* c](https://e.org) d*"), "<emphasis>a <link https://e.org/>b* c</> d</>");
  assert.equal(inline("[a [b](https://e.org) c](/x)"), "[a <link https://e.org/>b</> c](/x)");
});

test("blocks", () => {
  assert.equal(read("one\ntwo\n\nthree"), "<paragraph>one\ntwo</><paragraph>three</>");
  assert.equal(read("> a\n> b\n\nc"), "<quote><paragraph>a\nb</></><paragraph>c</>");
  assert.equal(read("a\n\n---\nb"), "<paragraph>a</><rule></><paragraph>b</>");
  assert.equal(read("a\r\nb\r\n\r\nc"), "<paragraph>a\r\nb</><paragraph>c</>");
});

test("code is kept to the character, and has its language", () => {
  assert.equal(read("Do:\n```py\nif x:\n\n    y = `1`\n```\nDone."), "<paragraph>Do:</><code py>if x:\n\n    y = `1`</><paragraph>Done.</>");
  assert.equal(read("~~~\na ``` b\n~~~"), "<code>a ``` b</>");
  assert.equal(read("- a\n  ```js\n  x\n    y\n  ```"), "<list><item><paragraph>a</><code js>x\n  y</></></>");
});

test("lists", () => {
  assert.equal(
    read("- one\n- two\n  more\n  - deep\n\n3. x\n4. y"),
    "<list><item><paragraph>one</></><item><paragraph>two\nmore</><list><item><paragraph>deep</></></></></>" +
      "<list 3><item><paragraph>x</></><item><paragraph>y</></></>",
  );
  assert.equal(read("* a\n\n* b\n\nend"), "<list><item><paragraph>a</></><item><paragraph>b</></></><paragraph>end</>");
  assert.equal(read("It was\n1984. Then"), "<paragraph>It was\n1984. Then</>");
});

test("levels of headings have no gaps", () => {
  assert.equal(read("### A\n##### B ##\n### C"), "<heading 1>A</><heading 2>B</><heading 1>C</>");
});

test("tables", () => {
  assert.equal(
    read("| a | b |\n|---|:-:|\n| `c` | d \\| e |\nafter"),
    "<table><row><cell>a</><cell center>b</></><row><cell><inline-code>c</></><cell center>d | e</></></><paragraph>after</>",
  );
  assert.equal(read("a | b\n- | -\nc"), "<table><row><cell>a</><cell>b</></></><paragraph>c</>");
  assert.equal(read("a | b\nc | d"), "<paragraph>a | b\nc | d</>");
});

test("what is not finished is drawn as if it were, while more comes", () => {
  const open = { open: true };
  assert.equal(inline("a **bo", open), "a <strong>bo</>");
  assert.equal(inline("*a **b", open), "<emphasis>a <strong>b</></>");
  assert.equal(inline("a **", open), "a ");
  assert.equal(inline("run `co", open), "run <inline-code>co</>");
  assert.equal(inline("see [docs](https://e.o", open), "see docs");
  assert.equal(inline("see https://e.o", open), "see https://e.o");
  assert.equal(read("```py\nx = 1", open), "<code py>x = 1</>");
  assert.equal(read("*a\n\nb", open), "<paragraph>*a</><paragraph>b</>");
});

test("what a user typed keeps its lines; only code and links are marked up", () => {
  const typed = { codeOnly: true };
  assert.equal(read("# no\n- a **b**\n  `c` https://e.org", typed), "<paragraph># no\n- a **b**\n  <inline-code>c</> <link https://e.org/>https://e.org</></>");
  assert.equal(read("look:\n```\nx\n```", typed), "<paragraph>look:</><code>x</>");
});

test("a screen reader is told the text without its marks", () => {
  assert.equal(plainText("**Note:** see [docs](https://e.org)\n\n- a\n- `b`\n\n| c | d |\n|---|---|"), "Note: see docs\na\nb\nc\nd");
});

test("every character is drawn once and in order, or is a mark", () => {
  const source = "# A *b*\n\n1. **c** `d`\n   - e\n\n> f [g](https://e.org)\n\n| h |\n|---|\n| i |\n\n```\nj\n```";
  const places = [];
  const walk = (nodes) => nodes.forEach((node) => (node.type === "text" ? places.push(node.from, node.to) : walk(node.children)));
  walk(parseMarkdown(source));
  assert.deepEqual(places, [...places].sort((a, b) => a - b));
  assert.ok(places.every((place) => place >= 0 && place <= source.length));
});

const HOSTILE = [
  "*", "* ", "*a ", "a* ", "[", "[]", "[a](", "[](x ", "`", "`a``b```c", "_a", "~~a~~ ", "> ", "- ", "- a\n",
  "1. ", "a\n", "|", "|a|\n|-|\n", "# ", "<", "http://", "![", "\\", "**a *b ", "\n", "  - a\n", "```\n",
  "[a]((((", "]", "<mailto:a", "[![",
];

test("hostile texts take time in proportion to their length", () => {
  for (const unit of HOSTILE) {
    const text = unit.repeat(Math.ceil(100_000 / unit.length));
    const before = process.cpuUsage().user;
    parseMarkdown(text, { open: true });
    const ms = (process.cpuUsage().user - before) / 1000;
    assert.ok(ms < 1500, `100 kB of ${JSON.stringify(unit)}: ${ms} ms`); // what is not linear takes a minute
  }
});

test("what is nested deeply is drawn flat, so that no reader runs out of stack", () => {
  const deep = (nodes) => 1 + Math.max(0, ...nodes.map((node) => (node.type === "text" ? 0 : deep(node.children))));
  assert.ok(deep(parseMarkdown("*a ".repeat(20_000) + "a* ".repeat(20_000))) < 20);
  assert.ok(deep(parseMarkdown("> ".repeat(50_000) + "a")) < 20);
  assert.ok(deep(parseMarkdown(Array.from({ length: 300 }, (_, at) => `${" ".repeat(2 * at)}- a\n`).join(""))) < 30);
});
