"""What rings from within: syncd's own late answers, proofs and timers. They bring news of syncd's looks, not of the world."""

LATE = "late answer"
"""Something that a pass did not wait for has answered."""
PROOF = "proof"
"""The prover's page differs."""
AGAIN = "again"
"""A timer of the loop itself: something is to be tried again, or is due."""
_OWN = frozenset({LATE, PROOF, AGAIN})


def from_within(rang: tuple[str, ...]) -> bool:
    """Whether nothing outside has rung: then what was looked at a moment ago need not be looked at again.

    Else a thousand hosts, of which a hundred stay connected, would be dialed anew for each other's late answers, for ever.
    """
    return _OWN.issuperset(rang)
