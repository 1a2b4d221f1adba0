"""Licences of weights that an operator must accept by name before a model is fetched or loaded. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from streamsrv.engines.catalogue import Catalogue, CatalogueError, did_you_mean


def with_accepted_licences(catalogue: Catalogue, accepted: Sequence[str]) -> Catalogue:
    """Return the catalogue in which the models under these licences need no acceptance any more.

    Raises `CatalogueError` for a name that no model asks for.
    """
    known = sorted({entry.licence_to_accept for entry in catalogue.values() if entry.licence_to_accept})
    for name in accepted:
        if name not in known:
            choices = ", ".join(known) or "none, because no model asks for one"
            raise CatalogueError(
                f"{name!r} is no licence that a model asks for{did_you_mean(name, known)}; accepted: {choices}"
            )
    return Catalogue(
        replace(entry, licence_to_accept="") if entry.licence_to_accept in accepted else entry
        for entry in catalogue.values()
    )
