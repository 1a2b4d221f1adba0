"""Removes the markup from a model's text and leaves sentences that can be read aloud. Pure."""

import html
import re

from streamsrv.text.traced import Rule, TracedText, joined

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*(?:\n|\Z)(?:.*?^[ \t]*\1[`~]*[ \t]*$|.*\Z)", re.MULTILINE | re.DOTALL)
_SSML_NAMES = (
    "amazon:[a-z-]+|audio|desc|emphasis|lang|lexicon|lookup|media|meta|metadata|mstts:[a-z-]+|par|phoneme|prosody|say-as"
    "|seq|speak|token|voice|w"
)
_TAG = re.compile(
    rf"<!--.{{0,2000}}?-->|<!\[CDATA\[|<!DOCTYPE\b[^<>]*>|<\?xml[^<>]*>|</?(?:{_SSML_NAMES}|a|b|code|del|details|div|em|h[1-6]|i|img|kbd|li|mark|ol|p|pre|s|small|span|strong|sub|summary|sup"
    r"|table|tbody|td|th|thead|tr|u|ul)\b[^<>]*>",
    re.DOTALL | re.IGNORECASE,
)
_LINE_BREAK = re.compile(r"<(?:br|hr)\s*/?>|</p\s*>|<break\b[^<>]*>(?:\s*</break>)?", re.IGNORECASE)
_CHARACTER_DATA = re.compile(r"<!\[CDATA\[((?:(?!\]\]>).){0,5000})\]\]>", re.DOTALL)
_SENTENCE_END = re.compile(r"</s\s*>", re.IGNORECASE)

_REFERENCE_LINE = re.compile(r"\[[^\[\]]+\]:\s+\S+")
_RULE = re.compile(r"[-*_=|:\s]+")
_TABLE_ROW = re.compile(r"\|(.*?)\|?")
_CELL_BOUNDARY = re.compile(r"(?:^|\s)\|(?=\s|$)")
_LINE_PREFIX = re.compile(r"(?:>\s*)*(?:#{1,6}\s+|[-*+•◦▪]\s+(?:\[[ xX]\]\s+)?)?")
_HEADING_END = re.compile(r"\s+#+$")
_ENDING = re.compile(r"[.!?…:;,—–।。！？、，；：][\"'”’)\]*_`»」』]*$")

_INLINE: tuple[Rule, ...] = (
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


_CHARACTER_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?")
_LINE_END = re.compile(r"\n")
_CELL_END = re.compile(r"\|")
_SPACES = re.compile(r"\s+")

_TAGS: tuple[Rule, ...] = ((_CHARACTER_DATA, r"\1"), (_SENTENCE_END, " "), (_LINE_BREAK, "\n"), (_TAG, ""))
_CHARACTERS: tuple[Rule, ...] = (
    (_CHARACTER_REFERENCE, lambda match: html.unescape(match[0])),
    (_UNSPEAKABLE, ""),
    (_EMOJI, " "),
    (_EMOTICON, ""),
)


def without_markdown(text: TracedText, code_notice: str = "") -> TracedText:
    """Return the words of markdown text on one line; headings, list items and table rows become sentences.

    Code blocks become `code_notice`, links become their text, table rows become their cells with commas. Emoji and
    emoticons are removed.
    """
    text = text.sub(_FENCE, lambda _: f"\n{code_notice}\n").apply(_TAGS).apply(_CHARACTERS)
    end = text.text.rfind("\n") + 1
    lines = [_as_sentence(_plain_line(line)) for line in text[:end].split(_LINE_END)]
    lines += [_plain_line(text[end:].strip())]
    return joined(" ", [line for line in lines if line])


def without_tags(text: str) -> str:
    """Return the text without HTML and SSML tags (https://www.w3.org/TR/speech-synthesis11/); breaks become new lines.

    SSML has no effect on the voice, because no engine supports it. Only known tags are removed, because text such as
    `<stdin>` may be meant literally.
    """
    return TracedText(text).apply(_TAGS).text


def _plain_line(line: TracedText) -> TracedText:
    if _RULE.fullmatch(line.text) or _REFERENCE_LINE.match(line.text):
        return line[:0]
    line = line[_prefix_length(line.text) :].sub(_HEADING_END, "")
    if row := _TABLE_ROW.fullmatch(line.text):
        line = joined(", ", line[row.start(1) : row.end(1)].split(_CELL_END))
    elif _CELL_BOUNDARY.search(line.text):  # a row without marks at its ends, or a part of a row
        line = joined(", ", line.split(_CELL_BOUNDARY))
    return line.apply(_INLINE).sub(_SPACES, " ").strip()


def _prefix_length(line: str) -> int:
    prefix = _LINE_PREFIX.match(line)
    return prefix.end() if prefix else 0


def _as_sentence(line: TracedText) -> TracedText:
    """Return the line, with a full stop if it has no mark at its end."""
    return line.with_end(".") if line and not _ENDING.search(line.text) else line
