"""Ids of what the server makes."""

import secrets


def new_id(prefix: str) -> str:
    """An id such as `item_9c1f0e...`."""
    return f"{prefix}_{secrets.token_hex(10)}"
