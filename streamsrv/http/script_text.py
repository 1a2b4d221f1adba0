"""Finds the comments and the literals of a script, without parsing it."""

import re
from dataclasses import dataclass

_OPENING = re.compile(r"[\"'`/]")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|' r"'(?:\\.|[^'\\\n])*'")
_REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
_TEMPLATE_PART = re.compile(r"(?:\\.|\$(?!\{)|[^`\\$])*(?P<end>`|\$\{)", re.DOTALL)
_BRACE_OR_OPENING = re.compile(r"[{}\"'`/]")
_WORD_BEFORE = re.compile(r"[\w$]+\Z")
_WORDS_BEFORE_REGEX = frozenset("return typeof case in of do else void delete throw new instanceof await yield".split())


class UnreadableScript(ValueError):
    """`at`: the character at which a literal or a comment begins that does not end."""

    def __init__(self, at: int) -> None:
        super().__init__("a string, template, comment or regular expression does not end")
        self.at = at


@dataclass(frozen=True, slots=True)
class ScriptText:
    """`text`: the script without its comments, line for line; `code`: the same, with spaces for what is in literals."""

    text: str
    code: str


def read_script(source: str) -> ScriptText:
    """Read a script; raises `UnreadableScript`. A regular expression after `)` or `}` is taken for a division."""
    text: list[str] = []
    code: list[str] = []
    at = 0
    while opening := _OPENING.search(source, at):
        start = opening.start()
        between = source[at:start]
        text.append(between)
        code.append(between)
        if comment := _COMMENT.match(source, start):
            at = comment.end()
            gap = "\n" * comment[0].count("\n") or " "
            text.append(gap)
            code.append(gap)
            continue
        at = _end_of_literal(source, start, "".join(code[-8:]))
        literal = source[start:at]
        text.append(literal)
        code.append(literal if at - start == 1 else literal[0] + blank(literal[1:-1]) + literal[-1])
    return ScriptText("".join([*text, source[at:]]), "".join([*code, source[at:]]))


def blank(text: str) -> str:
    """Return spaces in place of all but the ends of lines."""
    return re.sub(r"[^\n]", " ", text)


def _end_of_literal(source: str, start: int, before: str) -> int:
    """Return where the literal that begins at `start` ends; a slash that divides is one character. `before`: code."""
    if source[start] == "`":
        return _end_of_template(source, start)
    if source[start] == "/":
        if not _expects_value(before):
            return start + 1
        literal = _REGEX.match(source, start)
    else:
        literal = _STRING.match(source, start)
    if literal is None:
        raise UnreadableScript(start)
    return literal.end()


def _expects_value(before: str) -> bool:
    """Whether a slash after this code begins a regular expression."""
    before = before.rstrip()
    if word := _WORD_BEFORE.search(before):
        return word[0] in _WORDS_BEFORE_REGEX
    return not before.endswith((")", "]", "}", '"', "'", "`"))


def _end_of_template(source: str, start: int) -> int:
    at = start + 1
    while part := _TEMPLATE_PART.match(source, at):
        at = part.end()
        if part["end"] == "`":
            return at
        at = _end_of_substitution(source, at)
    raise UnreadableScript(start)


def _end_of_substitution(source: str, start: int) -> int:
    """Return where the code of `${...}` that begins at `start` ends, behind its brace."""
    depth, at = 1, start
    while found := _BRACE_OR_OPENING.search(source, at):
        at = found.end()
        match found[0]:
            case "{":
                depth += 1
            case "}":
                depth -= 1
                if depth == 0:
                    return at
            case _ if comment := _COMMENT.match(source, found.start()):
                at = comment.end()
            case _:
                at = _end_of_literal(source, found.start(), source[start : found.start()])
    raise UnreadableScript(start)
