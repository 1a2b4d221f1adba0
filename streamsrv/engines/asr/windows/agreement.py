"""LocalAgreement-2: the words of a growing recording on which two hypotheses in a row agree are stable.

Pure. After Macháček, Dabre and Bojar, "Turning Whisper into Real-Time Transcription System" (2023).
"""

from streamsrv.text.words import alignment_distances, bare

Words = tuple[str, ...]


class Agreement:
    """Decides which words of successive hypotheses are stable. What it has given out is never taken back.

    The recording is a sequence of parts. Hypotheses are of the current part; `close` ends it and begins the next.
    """

    def __init__(self) -> None:
        self._stable: Words = ()  # of the current part
        self._tentative: Words = ()

    @property
    def tentative(self) -> Words:
        """What the newest hypothesis says after the stable words."""
        return self._tentative

    def after_stable(self, hypothesis: Words) -> Words:
        """Return what a hypothesis of the part says after the stable words, without taking it."""
        return hypothesis[_align(self._stable, hypothesis)[1] :]

    def accept(self, hypothesis: Words, *, complete: bool = False) -> Words:
        """Take the next hypothesis of the part; return the words that became stable.

        The newest word is held back, for the end of the audio may have cut it, unless the audio is `complete`: it
        ends in a pause.
        """
        _, heard = _align(self._stable, hypothesis)
        rest = hypothesis[heard:]
        agreed = _agreed(self._tentative, rest)
        count = agreed if complete else min(agreed, max(len(rest) - 1, 0))
        self._stable += rest[:count]
        self._tentative = rest[count:]
        return rest[:count]

    def close(self, final: Words, *, continues: bool = False) -> Words:
        """End the part, whose text is `final`; return the words that became stable.

        When speech `continues` across the end of the part, words given out that lie beyond `final` are stable in the
        next part, so that they are not given out again.
        """
        shortfall, heard = _align(self._stable, final)
        excess, ended = _align(final, self._stable)
        self._tentative = ()
        if continues and excess < shortfall:
            self._stable = self._stable[ended:]
            return ()
        self._stable = ()
        return final[heard:]


def _agreed(one: Words, other: Words) -> int:
    """How many leading words are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if bare(a) != bare(b)), min(len(one), len(other)))


def _align(known: Words, words: Words) -> tuple[int, int]:
    """The prefix of `words` nearest to `known`: its edit distance and its length.

    A hypothesis may revise words that were given out, and split or join them ("every one"): counting is not enough.
    """
    distances = alignment_distances(known, words)
    distance, _, length = min((distance, abs(length - len(known)), length) for length, distance in enumerate(distances))
    return distance, length
