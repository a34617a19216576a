"""Exit codes, and which of several is the answer."""

from collections.abc import Iterable

WELL, WRONG, USAGE, WAITING = 0, 1, 2, 3
"""All is well; something is wrong or failed; configuration or command line is wrong; changes wait or are held."""


def worst(codes: Iterable[int]) -> int:
    """The answer about several clusters: what is wrong is not hidden by what only waits, although 3 is more than 1."""
    found = set(codes)
    return next((code for code in (USAGE, WRONG, WAITING) if code in found), WELL)
