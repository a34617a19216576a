"""What stays told while it cannot be looked at: an alert must not fall silent exactly when something goes wrong."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from syncd.core.model import Alias, Known, NodeName, RemoteSeen, Report, Verdict

_Link = tuple[NodeName, Alias]


class Lasting:
    """The last good reading of each source and the last known end of each link, for as long as these are there.

    Each pass puts new tables in place of the old ones: a scrape in another thread reads whole ones.
    """

    def __init__(self) -> None:
        self._reads: dict[str, Mapping[Alias, datetime]] = {}
        self._ends: dict[str, Mapping[_Link, datetime]] = {}

    def note(self, report: Report) -> None:
        """A pass ended."""
        cluster, links = report.cluster, [(verdict.node, verdict.alias) for verdict in report.plan.verdicts]
        reads, ends = self._reads.get(cluster, {}), self._ends.get(cluster, {})
        self._reads[cluster] = {
            alias: at for alias, remote in report.seen.remotes.items() if (at := _read(remote) or reads.get(alias))
        }
        self._ends[cluster] = {
            link: at
            for link, verdict in zip(links, report.plan.verdicts, strict=True)
            if (at := _end(verdict, ends.get(link)))
        }

    def forget(self, cluster: str) -> None:
        """A cluster left the configuration."""
        self._reads.pop(cluster, None)
        self._ends.pop(cluster, None)

    def reads(self) -> Iterator[tuple[str, Alias, datetime]]:
        """When each source was last read well."""
        for cluster, reads in list(self._reads.items()):
            yield from ((cluster, alias, at) for alias, at in reads.items())

    def breaks(self) -> Iterator[tuple[str, Alias, datetime]]:
        """When the first of each remote's links breaks."""
        for cluster, ends in list(self._ends.items()):
            for alias in sorted({alias for _, alias in ends}):
                yield cluster, alias, min(at for (_, other), at in ends.items() if other == alias)


def _read(remote: RemoteSeen) -> datetime | None:
    return remote.published.at if isinstance(remote.published, Known) else None


def _end(verdict: Verdict, before: datetime | None) -> datetime | None:
    """A link that is up and has no end is trusted by the leaf itself; of any other one it is only not known now."""
    return verdict.breaks_at or (None if verdict.up else before)
