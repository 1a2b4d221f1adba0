"""Makes the ids of sessions, items, events and other objects."""

import secrets


def new_id(prefix: str) -> str:
    """Return a random id such as `item_9c1f0e...`."""
    return f"{prefix}_{secrets.token_hex(10)}"
