"""Classifies the ending of an English text: whether more must follow, may follow, or nothing is missing. Pure.

The text is a recogniser's transcript up to a pause. Its marks are only hints: recognisers put a full stop after any
last word, but a question mark only after a text that sounds and reads like a question.
"""

import re
from collections.abc import Sequence
from enum import Enum


class Ending(Enum):
    """How the words so far end."""

    UNKNOWN = "unknown"
    """There are no words."""
    OPEN = "open"
    """In a word that needs another: "the", "because", "is"."""
    HESITATION = "hesitation"
    """In a filler: "um", "you know"."""
    DEPENDENT = "dependent"
    """In a clause that waits for its main clause: "if it rains tomorrow"."""
    NUMBER = "number"
    """In a number, which may be part of a longer one, a date, a time or an address."""
    SPELLING = "spelling"
    """In single letters."""
    CALL = "call"
    """The whole turn is a greeting or a name, before the matter itself: "hey computer"."""
    CLAUSE = "clause"
    """In three words or more, and a comma: "some glory in their birth,"."""
    LISTING = "listing"
    """In a list without a last item, "apples, pears", or in what may be its first: "apples,"."""
    FRAGMENT = "fragment"
    """The whole turn is a word or two that are no answer: a name, a topic."""
    UNMARKED = "unmarked"
    """The recogniser heard no end of a sentence."""
    STATEMENT = "statement"
    QUESTION = "question"
    COMMAND = "command"
    ANSWER = "answer"
    """The whole turn is a short answer, or its last words close it: "yes", "no thanks", "that's all"."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(phrase.split()) for phrase in text.split(","))


_FILLERS = _words("um uh uhm umm uhh erm er hm hmm mm ah eh oh")
_FILLER_PHRASES = _phrases("you know,i mean,sort of,kind of,let me see,let's see,let me think,what's it called")
_OPENERS = _words("well so like now")
"""Fillers where a sentence begins: "well, ..."."""

_NEEDS_MORE = _words(
    """a an the and or but nor because if unless although though whereas than whether per my your our their every some
    any very i'm you're we're they're i'll you'll we'll they'll he'll she'll i'd you'd we'd they'd i've you've we've
    they've let's there's here's mr mrs ms dr"""
)
"""Articles, conjunctions, possessives, titles: nothing complete ends in them."""
_SELDOM_LAST = _words(
    """is are was were am be being has will would shall should can could may might must isn't aren't wasn't weren't
    doesn't didn't won't wouldn't shouldn't can't couldn't of to in on at by for from with into onto about under between
    during without within against toward towards upon among as via like i we he she they who whom whose which that's
    it's he's she's what's where's who's how's when while his its these those"""
)
"""Auxiliaries, prepositions, subjects: questions end in them ("what are you looking for?"), little else does."""
_OPEN_CLAUSES = _phrases(
    """i think,i guess,i believe,i hope,i want,i need,can you,could you,would you,will you,do you,are you,what about,
    how about"""
)
"""Nothing complete consists of one of these."""
_JOINING = _words("and but so then well okay ok")
"""They may come before any clause."""
_PARTICLES = _words("in on")
"""Prepositions that end commands: "turn the light on"."""
_NEEDS_OBJECT = _words("turn put switch")
"""Verbs that a particle alone does not complete: "turn on"."""

_SUBORDINATORS = _words("if although though while unless until since before after once whenever as whereas")
_PRONOUNS = _words("i you he she it we they")
_SUBJECTS = _PRONOUNS | _words("the a an my your his her our their this that these those there")
_AUXILIARIES = _words(
    """is are was were am do does did have has had can could will would shall should may might must isn't aren't wasn't
    weren't don't doesn't didn't haven't hasn't won't wouldn't can't couldn't shouldn't"""
)
_ASKING = _words("what what's who who's whose where where's when when's why how how's which")

_NUMBERS = _words(
    """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion double
    triple point"""
)
_MAX_QUANTITY = 2
"""Digits; a longer group is dictated."""

_ANSWERS = _words(
    """yes yeah yep yup sure no nope nah okay ok right correct exactly absolutely definitely maybe perhaps stop cancel
    thanks thank you please alright all goodbye bye nothing none never mind great perfect good fine cool wow really
    continue next back help repeat again enough mhm"""
)
_ANSWER_PHRASES = _phrases(
    """of course,of course not,go ahead,go on,i don't know,i do,i am,i did,i don't,not yet,not now,not really,yes i am,
    yes it is,no it isn't,i think so,i guess so,me too,that's right,no problem,sounds good,uh huh,mm hmm,mm hm"""
)
_CLOSINGS = _phrases("thanks,thank you,please,that's all,that's it,that is all,thank you very much,thanks a lot,bye")
_GREETINGS = _words("hey hi hello okay ok good excuse listen")
_MAX_ANSWER, _MAX_CALL, _MAX_FRAGMENT, _MAX_ITEM = 4, 3, 2, 2
"""Words."""

_COMMANDS = _words(
    """activate add arm book bring call cancel change check choose clean clear close come compare convert count create
    deactivate decrease define delete describe dim disable disarm do drop email enable end explain fetch find finish
    get give go help hang hide hold increase keep launch leave let's list lock log look lower make message move mute
    open order pause pick plan play pull put raise read record reduce remind remove rename repeat reply reset restart
    resume return save say schedule search select send set show shut sign sing skip spell start stop suggest switch
    take tell text translate try turn unlock unmute update use wake write"""
)
_REQUESTS = _phrases("can you,could you,would you,will you,please,i want you to,i'd like you to,and,then,now,okay,ok")
"""They come before a command."""
_GIVING = _words("tell give show send remind read bring play")
_RECEIVERS = _words("me us him her them")

_MARKS = ".?!,;:…"
_SENTENCE_END = re.compile(r"(?<=[.?!…])\s+")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def ending_of(text: str) -> Ending:
    """Classify the end of `text`, the English transcript of a turn up to a pause."""
    text = text.replace("’", "'").strip().lower()
    words = _WORD.findall(text)
    if not words:
        return Ending.UNKNOWN
    last = _Sentence(text)
    return _ending_of_turn(words, last) or _open_ending(words, last) or _complete_ending(words, last)


class _Sentence:
    """The last sentence of a text in lower case: its words and the mark behind them."""

    def __init__(self, text: str) -> None:
        sentences = [sentence for sentence in _SENTENCE_END.split(text) if _WORD.search(sentence)]
        self.text = sentences[-1].rstrip()
        self.words = _WORD.findall(self.text)
        self.mark = self.text[-1] if self.text[-1] in _MARKS else ""


def _ending_of_turn(words: Sequence[str], last: _Sentence) -> Ending | None:
    """Endings for which the whole turn counts."""
    if tuple(words) in _ANSWER_PHRASES:
        return Ending.ANSWER
    if words[-1] in _FILLERS or (_ends_with(words, _FILLER_PHRASES) and last.mark != "?"):
        return Ending.HESITATION
    spoken = [word for word in words if word not in _FILLERS]
    if len(spoken) <= _MAX_ANSWER and (_ANSWERS.issuperset(spoken) or tuple(spoken) in _ANSWER_PHRASES):
        return Ending.ANSWER
    return Ending.ANSWER if _ends_with(words, _CLOSINGS) else None


def _open_ending(words: Sequence[str], last: _Sentence) -> Ending | None:
    """Endings after which more must or may follow."""
    word = words[-1]
    if _is_spelling(words):
        return Ending.SPELLING
    if word in _NEEDS_MORE:
        return Ending.OPEN
    if last.mark == "?":
        return None
    if _is_dictation(words):
        return Ending.NUMBER
    if word in _OPENERS and re.search(r"(?:^|, )\w+\W*$", last.text):
        return Ending.HESITATION
    if word in _SELDOM_LAST and not _is_indirect_question(last.words):
        return Ending.UNMARKED if _ends_in_particle(last.words) else Ending.OPEN
    if _is_open_clause(last.words):
        return Ending.OPEN
    if _is_dependent(last.words) and "," not in last.text[:-1]:
        return Ending.DEPENDENT
    if _is_listing(last.text.rstrip(",")):
        return Ending.LISTING
    if last.mark == ",":
        return Ending.CLAUSE if len(last.words) > _MAX_ITEM else Ending.LISTING
    return None


def _complete_ending(words: Sequence[str], last: _Sentence) -> Ending:
    if len(words) <= _MAX_CALL and words[0] in _GREETINGS:
        return Ending.CALL
    # A question mark alone may stand for a voice that rises because more is to come.
    is_clause = last.words[0] in _ASKING or not (_SUBJECTS | _AUXILIARIES).isdisjoint(last.words)
    if _is_question(last.words) or (last.mark == "?" and is_clause):
        return Ending.QUESTION
    if _is_command(last.words):
        return Ending.COMMAND
    if len(words) <= _MAX_FRAGMENT:
        return Ending.FRAGMENT
    return Ending.STATEMENT if last.mark else Ending.UNMARKED


def _ends_with(words: Sequence[str], phrases: Sequence[tuple[str, ...]]) -> bool:
    return any(tuple(words[-len(phrase) :]) == phrase for phrase in phrases)


def _is_spelling(words: Sequence[str]) -> bool:
    letters = [word for word in words[-2:] if len(word) == 1 and word.isalpha()]
    return len(letters) == len(words[-2:]) and not {"a", "i"}.issuperset(letters)


def _is_dictation(words: Sequence[str]) -> bool:
    """Whether the words end in a number. A small one that is the whole turn is an answer; "that one" is not one."""
    last = words[-1]
    if len(words) == 1:
        return last.isdigit() and len(last) > _MAX_QUANTITY
    return last.isdigit() or (last in _NUMBERS and (last != "one" or words[-2] in _NUMBERS))


def _is_open_clause(words: Sequence[str]) -> bool:
    """Whether the words are the beginning of a clause: "and I think", "send him"."""
    rest = tuple(words[1:] if words[0] in _JOINING else words)
    return rest in _OPEN_CLAUSES or (len(rest) == 2 and rest[0] in _GIVING and rest[1] in _RECEIVERS)


def _is_indirect_question(words: Sequence[str]) -> bool:
    """Whether the words end in a verb that an asking word and a subject complete: "where my phone is"."""
    asking = next((index for index, word in enumerate(words) if word in _ASKING), len(words))
    return words[-1] in _AUXILIARIES and not _SUBJECTS.isdisjoint(words[asking + 1 : -1])


def _is_dependent(words: Sequence[str]) -> bool:
    if words[0] in ("when", "where"):
        return len(words) > 1 and words[1] in _SUBJECTS
    return words[0] in _SUBORDINATORS and "then" not in words


def _is_listing(sentence: str) -> bool:
    """Whether the last of several items is short, and no "and" or "or" comes before it. ", I think" is not an item."""
    *before, last = sentence.split(",")
    item, first = _WORD.findall(last), _WORD.findall(before[0]) if before else []
    is_item = 1 <= len(item) <= _MAX_ITEM and item[0] not in ("and", "or") and item[0] not in _PRONOUNS
    return bool(first) and is_item and first[0] not in _ANSWERS


def _is_question(words: Sequence[str]) -> bool:
    """Whether the words have a question's order, and something is asked about."""
    if words[0] in _ASKING:
        return len(words) > 2 and (words[0].endswith("'s") or not _AUXILIARIES.isdisjoint(words[1:4]))
    return len(words) > 2 and words[0] in _AUXILIARIES and words[1] in _SUBJECTS


def _is_command(words: Sequence[str]) -> bool:
    """Whether the words begin with a verb in the imperative, and something follows it."""
    for request in _REQUESTS:
        if tuple(words[: len(request)]) == request:
            return _is_command(words[len(request) :])
    return len(words) > 1 and words[0] in _COMMANDS


def _ends_in_particle(words: Sequence[str]) -> bool:
    """Whether the last word completes a command: "come in", "turn it on", but not "turn on"."""
    return words[-1] in _PARTICLES and _is_command(words) and (len(words) > 2 or words[0] not in _NEEDS_OBJECT)
