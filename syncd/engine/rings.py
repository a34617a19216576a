"""Why a pass is made: what rings, and whether it is news of the nodes."""

SOURCE = "source"
"""A Secret or a file in which a CA is published has changed."""
STATE = "state"
"""Somebody wrote to syncd's memory: a person's request, or syncd itself."""
LATE = "late answer"
"""Something that a pass did not wait for has answered."""
PROOF = "proof"
"""The prover's page differs."""
CLOCK = "clock"
"""Enough time has passed: all is looked at anew."""
AGAIN = "again"
"""A timer of the loop itself: something is to be tried again, or is due."""
_ELSEWHERE = frozenset({SOURCE, STATE, LATE, PROOF, AGAIN})


def elsewhere(rang: tuple[str, ...]) -> bool:
    """Whether the news is of something else than the nodes' files: then what was seen of them lately is good enough.

    Else a thousand hosts, of which a hundred stay connected, would be dialed anew for each other's late answers, for
    ever; and a new CA would wait until all nodes were looked at once more.
    """
    return _ELSEWHERE.issuperset(rang)
