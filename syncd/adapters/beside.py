"""Names of files that are written beside their target and renamed into its place; left-overs are known by them."""

import secrets

STALE_AFTER = 300
"""Seconds after which such a file is a crashed writer's, by the clock of the host that it is on."""


def beside(name: str) -> str:
    """A new name, beside a file of this name."""
    return prefix_beside(name) + secrets.token_hex(8)


def prefix_beside(name: str) -> str:
    """How all such names of this file begin."""
    return f".{name}.syncd-"
