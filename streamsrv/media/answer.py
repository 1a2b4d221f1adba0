"""Extends aiortc's answer to the used sections into an answer to the client's whole offer. Pure."""

from streamsrv.media.offer import ReadOffer
from streamsrv.media.session_description import Section, parse


def complete_answer(answer: str, offer: ReadOffer) -> str:
    """Return an answer with as many sections as the offer, in the same order (RFC 3264, section 6).

    Unused sections have port 0. The answer has a=mid lines and BUNDLE groups if the offer has them (RFC 9143,
    section 7.3).
    """
    made = parse(answer)
    used = dict(zip(offer.used, made.sections, strict=True))
    lines = [line for line in made.session.lines if not line.startswith("a=group:")]
    lines += [f"a=group:BUNDLE {' '.join(group)}" for group in offer.groups()]
    for index, offered in enumerate(offer.description.sections):
        lines += _accepted(used[index], offered) if index in used else _rejected(offered)
    return "\r\n".join(lines) + "\r\n"


def _accepted(section: Section, offered: Section) -> list[str]:
    lines = section.lines
    if offered.mid is None:
        lines = [line for line in lines if not line.startswith("a=mid:")]
    return [f"m={section.kind} {section.port} {offered.protocol} {section.formats}", *lines]


def _rejected(offered: Section) -> list[str]:
    lines = [f"m={offered.kind} 0 {offered.protocol} {offered.formats}", "c=IN IP4 0.0.0.0"]
    if offered.kind in ("audio", "video"):
        lines.append("a=inactive")
    return lines if offered.mid is None else [*lines, f"a=mid:{offered.mid}"]
