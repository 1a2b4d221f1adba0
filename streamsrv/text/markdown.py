"""Removes the markup from a model's text and leaves sentences that can be read aloud. Pure."""

import html
import re

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*(?:\n|\Z)(?:.*?^[ \t]*\1[`~]*[ \t]*$|.*\Z)", re.MULTILINE | re.DOTALL)
_SSML_NAMES = (
    "amazon:[a-z-]+|audio|desc|emphasis|lang|lexicon|lookup|media|meta|metadata|mstts:[a-z-]+|par|phoneme|prosody|say-as"
    "|seq|speak|token|voice|w"
)
_TAG = re.compile(
    rf"<!--.*?-->|<\?xml[^<>]*>|</?(?:{_SSML_NAMES}|a|b|code|del|details|div|em|h[1-6]|i|img|kbd|li|mark|ol|p|pre|s|small|span|strong|sub|summary|sup"
    r"|table|tbody|td|th|thead|tr|u|ul)\b[^<>]*>",
    re.DOTALL | re.IGNORECASE,
)
_LINE_BREAK = re.compile(r"<(?:br|hr)\s*/?>|</p\s*>|<break\b[^<>]*>(?:\s*</break>)?", re.IGNORECASE)
_SENTENCE_END = re.compile(r"</s\s*>", re.IGNORECASE)

_REFERENCE_LINE = re.compile(r"\[[^\[\]]+\]:\s+\S+")
_RULE = re.compile(r"[-*_=|:\s]+")
_TABLE_ROW = re.compile(r"\|(.*?)\|?")
_CELL_BOUNDARY = re.compile(r"(?:^|\s)\|(?=\s|$)")
_LINE_PREFIX = re.compile(r"(?:>\s*)*(?:#{1,6}\s+|[-*+•◦▪]\s+(?:\[[ xX]\]\s+)?)?")
_HEADING_END = re.compile(r"\s+#+$")
_ENDING = re.compile(r"[.!?…:;,—–।。！？、，；：][\"'”’)\]*_`»」』]*$")

_INLINE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"!?\[([^\[\]]*)\]\((?:[^()\n]|\([^()\n]*\))*\)"), r"\1"),  # link or image
    (re.compile(r"\[\^[^\[\]\s]+\]"), ""),  # footnote
    (re.compile(r"!?\[([^\[\]]+)\]\[[^\[\]]*\]"), r"\1"),  # link by reference
    (re.compile(r"<((?:https?://|mailto:)[^\s<>]+)>"), r"\1"),
    (re.compile(r"`+"), ""),
    (re.compile(r"\*{2,}|~~|\$\$|\\[()\[\]](?=\s|$)|(?<!\S)\\[()\[\]]"), ""),  # bold, struck out, mathematics
    (re.compile(r"(?<![\w*])\*(?=\S)|(?<=\S)\*(?![\w*])"), ""),  # italics
    (re.compile(r"(?<!\w)_{1,3}(?=\w)|(?<=\S)_{1,3}(?!\w)"), ""),
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!|~>$])"), r"\1"),
)

_EMOJI = re.compile(
    "(?:[\U0001f000-\U0001fbff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u203c\u2049\u2139©®™]"
    "|[0-9#*]?\ufe0f?\u20e3|[\ufe0e\ufe0f\U000e0020-\U000e007f])(?:[\u200d\ufe0e\ufe0f\u20e3])*"
)
_EMOTICON = re.compile(r"(?<!\S)(?:[:;=]['’]?-?[()DPp/|oO*]|<3|[xX]D|\^_?\^)(?!\S)")
_UNSPEAKABLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\uf8ff\ufffd]"
)
"""Matches control characters, invisible characters, lone surrogates and private-use characters."""


def without_markdown(text: str, code_notice: str = "") -> str:
    """Return the words of markdown text on one line; headings, list items and table rows become sentences.

    Code blocks become `code_notice`, links become their text, table rows become their cells with commas. Emoji and
    emoticons are removed.
    """
    text = _FENCE.sub(f"\n{code_notice}\n", text)
    text = html.unescape(without_tags(text))
    text = _EMOTICON.sub("", _EMOJI.sub(" ", _UNSPEAKABLE.sub("", text)))
    *complete, last = text.split("\n")
    lines = [_as_sentence(_plain_line(line)) for line in complete]
    return " ".join(line for line in [*lines, _plain_line(last)] if line)


def without_tags(text: str) -> str:
    """Return the text without HTML and SSML tags (https://www.w3.org/TR/speech-synthesis11/); breaks become new lines.

    SSML has no effect on the voice, because no engine supports it. Only known tags are removed, because text such as
    `<stdin>` may be meant literally.
    """
    text = _SENTENCE_END.sub(" ", _LINE_BREAK.sub("\n", text))
    return _TAG.sub("", text)


def _plain_line(line: str) -> str:
    line = line.strip()
    if _RULE.fullmatch(line) or _REFERENCE_LINE.match(line):
        return ""
    line = _HEADING_END.sub("", line[_prefix_length(line) :])
    if row := _TABLE_ROW.fullmatch(line):
        line = ", ".join(cell for cell in map(str.strip, row[1].split("|")) if cell)
    elif _CELL_BOUNDARY.search(line):  # a row without marks at its ends, or a part of a row
        line = ", ".join(cell for cell in map(str.strip, _CELL_BOUNDARY.split(line)) if cell)
    for pattern, replacement in _INLINE:
        line = pattern.sub(replacement, line)
    return " ".join(line.split())


def _prefix_length(line: str) -> int:
    prefix = _LINE_PREFIX.match(line)
    return prefix.end() if prefix else 0


def _as_sentence(line: str) -> str:
    """Return the line, with a full stop if it has no mark at its end."""
    return f"{line}." if line and not _ENDING.search(line) else line
