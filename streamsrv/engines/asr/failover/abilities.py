"""What a chain of recognisers can do together, and what each of them can do of a request. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from streamsrv.engines.asr.base import Abilities, RecognitionOptions
from streamsrv.errors import UNSUPPORTED_PARAMETER, Rejected


def fit(options: RecognitionOptions, abilities: Abilities) -> RecognitionOptions | None:
    """Return the options without the hints that a recogniser cannot use; None: it cannot do what they require."""
    wanted = {options.language} if options.language is not None else set(options.languages)
    if abilities.languages and not wanted <= abilities.languages:
        return None
    if (options.task == "translate" and not abilities.translates) or (options.logprobs and not abilities.logprobs):
        return None
    language, languages = options.language, options.languages
    if language is None and not abilities.detects_language:
        if len(wanted) > 1:
            return None
        language, languages = next(iter(wanted), None), ()
    return replace(
        options,
        language=language,
        languages=languages,
        prompt=options.prompt if abilities.prompt else "",
        keywords=options.keywords if abilities.keywords else (),
    )


def unfit(name: str, options: RecognitionOptions) -> Rejected:
    """Return the error of a request that no recogniser of the chain `name` can do."""
    message = (
        f"{name} cannot recognise this: language {options.language or options.languages or 'any'}, task "
        f"{options.task}, logprobs {options.logprobs}."
    )
    return Rejected(message, code=UNSUPPORTED_PARAMETER)


def abilities_of_any(abilities: Sequence[Abilities]) -> Abilities:
    """Return what at least one can do."""
    knows_all = any(not each.languages for each in abilities)
    stalls = [each.stall_deadline_s for each in abilities]
    return Abilities(
        languages=frozenset() if knows_all else frozenset[str]().union(*(each.languages for each in abilities)),
        detects_language=any(each.detects_language for each in abilities),
        prompt=any(each.prompt for each in abilities),
        keywords=any(each.keywords for each in abilities),
        logprobs=any(each.logprobs for each in abilities),
        translates=any(each.translates for each in abilities),
        final_deadline_s=sum(each.final_deadline_s for each in abilities),
        stall_deadline_s=None if None in stalls else sum(stall for stall in stalls if stall is not None),
    )
