"""Finds what models lack, their packages tried: what commands report before anything is loaded."""

from collections.abc import Sequence

from streamsrv.engines.catalogue import Catalogue, CatalogueError, ModelEntry
from streamsrv.engines.loading import with_parts
from streamsrv.engines.readiness.needs import Need, needs
from streamsrv.engines.readiness.probe import find_problems
from streamsrv.engines.weights.store import ModelStore


def survey(entries: Sequence[ModelEntry], catalogue: Catalogue, store: ModelStore) -> dict[str, list[Need]]:
    """Return what each entry and its parts lack, by name; an empty list for an entry that is ready to be loaded.

    Packages that seem to be installed are imported in a helper process. Blocks for some seconds.
    """
    whole: dict[str, list[ModelEntry]] = {}
    found: dict[str, list[Need]] = {}
    for entry in entries:
        try:
            whole[entry.name] = with_parts(entry, catalogue)
        except CatalogueError as error:
            found[entry.name] = [Need("engine", str(error))]
    parts = {part.name: part for entries in whole.values() for part in entries}
    lacking = {name: needs(part, store) for name, part in parts.items()}
    installed = [part for name, part in parts.items() if not any(need.what == "package" for need in lacking[name])]
    for name, problem in find_problems(installed).items():
        lacking[name].insert(0, Need("engine", problem.removeprefix(f"{name}: ")))
    for name, models in whole.items():
        found[name] = list(dict.fromkeys(need for model in models for need in lacking[model.name]))
    return found
