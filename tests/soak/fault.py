"""What a fault is, and the tables' way of saying it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.soak.world import World


@dataclass(frozen=True)
class Fault:
    """Within the context the fault is there; when it ends, it is cured."""

    make: Callable[[World], AbstractContextManager[None]]
    changes: bool = True
    """Whether ECK may publish something in the middle of it."""
    weight: float = 1.0
    """Those that end the daemon are rarer, so that some lives are long enough to show what grows."""

    @property
    def name(self) -> str:
        return self.make.__name__
