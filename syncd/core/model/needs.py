"""Why a node needs a restart, and what comes with it: what the steps of a restart are made of."""

from dataclasses import dataclass
from datetime import datetime

from syncd.core.model.seen import NodeName
from syncd.core.model.steps import PutSecret, PutYml


@dataclass(frozen=True, slots=True)
class Need:
    """Why a node needs a restart, and all that is to be put in place within it."""

    node: NodeName
    why: str
    """In a person's words."""
    change: str
    """Names the change: there is one restart per node and change."""
    yml: PutYml | None = None
    """The edit; None: elasticsearch.yml already says what it should."""
    secrets: tuple[PutSecret, ...] = ()
    """Credentials that are put into the keystore in the same restart."""
    paths: frozenset[str] = frozenset()
    """PEM files that the process must name afterwards (`GET _ssl/certificates`)."""
    unnamed: frozenset[str] = frozenset()
    """PEM files that it must name no longer."""
    reload_interval: str | None = None
    """`resource.reload.interval.high` that it must run with afterwards."""
    asked: datetime | None = None
    """When a person asked for it with `syncd restart`; None: syncd's own wish."""
