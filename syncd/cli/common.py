"""What the commands share: their options, and from a configuration to the cluster that is meant."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from syncd.cli import show
from syncd.cli.check import looked_once
from syncd.cli.once import Foreground, Sight, foreground
from syncd.cli.wiring import Wiring, default_config
from syncd.config import load
from syncd.config.model import Cluster
from syncd.core.bundle import Cert
from syncd.core.errors import ConfigError, SyncdError
from syncd.core.model import Unknown

Config = Annotated[Path | None, typer.Option("--config", "-c", help="The configuration ($SYNCD_CONFIG).")]
Output = Annotated[Literal["text", "json"], typer.Option("--output", "-o", help="Form of the answer.")]
Only = Annotated[str | None, typer.Option("--cluster", help="This cluster only.")]
Named = Annotated[str | None, typer.Argument(help="The cluster; need not be said where there is one only.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Fingerprint = Annotated[str, typer.Argument(help="SHA-256 of the certificate, or its first digits (four or more).")]


def say(lines: Iterable[str]) -> None:
    """Print them."""
    for line in lines:
        typer.echo(line)


def wiring_of(config: Path | None) -> Wiring:
    """The worlds of a configuration. Raises ConfigError."""
    path = config or default_config()
    return Wiring(load.load(path), path)


def clusters_of(wiring: Wiring, only: str | None) -> tuple[Cluster, ...]:
    """All of them, or the one that is named. Raises ConfigError."""
    found = tuple(cluster for cluster in wiring.whole.clusters if only in (None, cluster.name))
    if not found:
        names = ", ".join(cluster.name for cluster in wiring.whole.clusters)
        raise ConfigError(
            "no_cluster", f"there is no cluster {only}", where=str(wiring.path), cure=f"There is: {names}"
        )
    return found


@contextmanager
def acting(wiring: Wiring, cluster: Cluster, *, restarts: bool = True) -> Iterator[Foreground]:
    """A cluster for the time of a command that changes it; what it leaves open is told, also where a person stops it."""
    with foreground(wiring, cluster, restarts=restarts) as front:
        try:
            yield front
        finally:
            if left := front.left_open():
                typer.echo(left, err=True)


@contextmanager
def one(config: Path | None, only: str | None, *, restarts: bool = False) -> Iterator[Foreground]:
    """The one cluster that a changing verb is about. Raises ConfigError, also where nothing would be carried out."""
    wiring = wiring_of(config)
    found = clusters_of(wiring, only)
    if len(found) > 1:
        names = " | ".join(cluster.name for cluster in found)
        raise ConfigError("which_cluster", "say which cluster is meant", cure=f"--cluster {names}")
    if found[0].mode == "observe":
        text = f"{found[0].name} has mode: observe, in which nobody carries anything out; nothing was asked for"
        raise ConfigError(
            "observe", text, where=str(wiring.path), cure="Set mode: act for this cluster, then ask again"
        )
    with acting(wiring, found[0], restarts=restarts) as front:
        yield front


def meant(named: str | None, only: str | None) -> str | None:
    """The cluster that is named, in either of two ways. Raises ConfigError where they differ."""
    if named and only and named != only:
        raise ConfigError("which_cluster", f"{named} and --cluster {only} are two clusters", cure="Name one of them")
    return named or only


def find(sights: Sequence[Sight], typed: str) -> Cert:
    """The certificate that a person means, of all that was seen in some clusters.

    Raises ConfigError, or SyncdError `not_read` where it may be in what could not be read.
    """
    wanted = typed.lower().replace(":", "")
    known = {fingerprint: cert for sight in sights for fingerprint, cert in show.known_certs(sight.seen).items()}
    matching = [cert for fingerprint, cert in known.items() if fingerprint.startswith(wanted)]
    if len(wanted) < 4 or len(matching) != 1:  # noqa: PLR2004 - fewer digits mean nothing
        text = f"{typed} names {len(matching)} of the certificates that were seen"
        shorts = ", ".join(sorted({cert.short for cert in known.values()}))
        seen = f"Seen: {shorts or 'none'}"
        unread = list(dict.fromkeys(line for sight in sights for line in _unread(sight)))
        if unread and not matching and len(wanted) >= 4:  # noqa: PLR2004
            text = f"{typed} is none of the certificates that could be read, and not all could be: {'; '.join(unread)}"
            raise SyncdError("not_read", text, cure=f"{seen}. syncd check tells what to do")
        raise ConfigError("fingerprint", text, cure=seen)
    return matching[0]


def _unread(sight: Sight) -> Iterator[str]:
    """Where certificates may be that were not seen."""
    for alias, remote in sight.seen.remotes.items():
        if isinstance(remote.published, Unknown):
            yield f"what {alias} publishes ({looked_once(remote.published.text)})"
    contexts = {remote.context for remote in sight.policy.remotes}
    for node in sight.seen.nodes.values():
        for context in sorted(contexts):
            if isinstance(file := node.files.get(context), Unknown):
                yield f"the {context} trust file of {node.name} ({looked_once(file.text)})"
