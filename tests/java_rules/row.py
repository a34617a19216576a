"""One row of the table."""

from dataclasses import dataclass, field

from tests.java_rules.issue import Made


@dataclass(frozen=True)
class Row:
    """What a node trusts, what a remote presents, and what real nodes of both versions said."""

    trusted: str
    presented: str
    anchors: tuple[Made, ...] = field(repr=False)
    chain: tuple[Made, ...] = field(repr=False)
    """Leaf first; its key signs the handshake."""
    accepted: bool
    """By a real Elasticsearch 8.19.21 and 8.14.3 on JDK 17."""
    caution: str = ""
    """Why syncd says no where those nodes say yes: it cannot know that every node does."""

    @property
    def name(self) -> str:
        return f"{self.trusted} / {self.presented}"


YES, NO = True, False
