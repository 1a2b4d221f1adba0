"""Says what telephone calls still lack in the settings and in the environment."""

from collections.abc import Mapping

from streamsrv.settings import Settings


def what_calls_lack(settings: Settings, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what to do, by the provider that needs it; nothing without providers and numbers in the settings."""
    lacking: list[tuple[str, str]] = []
    for provider in settings.phone_provider:
        name = provider.name
        if settings.public_url is None:
            lacking.append((name, "set public_url, the address under which the provider reaches this server"))
        if missing := provider.lacks((provider.checks_with,)):
            lacking.append((name, f"set {missing[0]}: without it no webhook is accepted"))
        if missing := provider.lacks(provider.controls_with):
            lacking.append((name, f"without {' and '.join(missing)} calls cannot be transferred or begun"))
        lacking += [
            (name, f"the environment variable {variable} ({field}) is not set")
            for field, variable in provider.variables.items()
            if not environ.get(variable, "").strip()
        ]
    if settings.phone_provider and not settings.phone_number:
        lacking.append(("telephone", "no [[phone_number]] table says who answers"))
    return lacking
