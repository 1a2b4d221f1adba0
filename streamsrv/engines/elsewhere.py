"""Which models give what users say and write to another machine."""

from streamsrv.engines.addresses import is_here
from streamsrv.engines.loaded import Engines


def models_elsewhere(engines: Engines) -> list[str]:
    """Return the names of the models that another machine may serve: the model itself, or what takes its place."""
    substitutes = engines.substitutes

    def leaves(stage: str, name: str) -> bool:
        return any(not is_here(entry) for entry in engines.entries(stage, name))

    hearing = [name for name in engines.recognizers.facts if leaves("recognizer", name)]
    hearing += [
        name
        for name, others in engines.recognizers.substitutes.items()
        if any(leaves("recognizer", other) for other in others)
    ]
    answering = [
        name for name in (engines.chat.name, *engines.chat_by_name) if not engines.chat_model(name).abilities.is_local
    ]
    speaking = [
        each.name
        for each in engines.synthesizers
        if any(leaves("synthesizer", name) for name in (each.name, *substitutes.get(("synthesizer", each.name), ())))
    ]
    return sorted({*hearing, *answering, *speaking})
