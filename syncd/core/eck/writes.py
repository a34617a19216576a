"""What the memory says of syncd's own writes on ECK's side: whether a reading is from before, whether they are undone."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from syncd.core.bundle import Digest
from syncd.core.model import Alias, EckKind, EckWrite, Memory, Observed, Policy, RemotePolicy


def older_than_ours(seen: Observed, aliases: Collection[Alias], kind: EckKind, at: datetime, now: datetime) -> bool:
    """Whether something was read before our last write of it, and so does not show that write yet.

    A write in the future was noted before the clock was set back, and does not count.
    """
    return any(at < write.at <= now for write in _writes(seen, aliases, kind))


def undone(
    seen: Observed, aliases: Collection[Alias], kind: EckKind, digest: Digest, since: datetime, now: datetime
) -> tuple[datetime, ...]:
    """When this very content was already written since a moment, latest first: it is missing again, so somebody undid it."""
    same = (write for write in _writes(seen, aliases, kind) if write.digest == digest and since < write.at <= now)
    return tuple(sorted((write.at for write in same), reverse=True))


def without_withdrawn(policy: Policy, memory: Memory) -> Memory:
    """The memory in which nothing stands against applying fields of a resource once the operator consents to it anew."""
    wanted = [remote for remote in policy.remotes if remote.eck]
    consented = {_named(remote) for remote in wanted if remote.eck and remote.eck.apply}
    withdrawn = {remote.alias for remote in wanted if _named(remote) not in consented}
    kept = tuple(write for write in memory.eck if write.kind != "resource" or write.alias not in withdrawn)
    return replace(memory, eck=kept) if kept != memory.eck else memory


def _named(remote: RemotePolicy) -> tuple[str, str] | None:
    return (remote.eck.namespace, remote.eck.resource) if remote.eck else None


def hours(span: timedelta) -> str:
    """A span in words."""
    count = round(span.total_seconds() / 3600)
    return "hour" if count == 1 else f"{count} hours"


def _writes(seen: Observed, aliases: Collection[Alias], kind: EckKind) -> list[EckWrite]:
    records = dict.fromkeys((*seen.remembered.eck, *seen.unsaved))
    return [write for write in records if write.kind == kind and write.alias in aliases]
