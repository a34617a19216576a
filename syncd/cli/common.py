"""What the commands share: their options, and from a configuration to the cluster that is meant."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from syncd.cli import show
from syncd.cli.once import Foreground, Sight, foreground
from syncd.cli.wiring import Wiring, default_config
from syncd.config import load
from syncd.config.model import Cluster
from syncd.core.bundle import Cert
from syncd.core.errors import ConfigError

Config = Annotated[Path | None, typer.Option("--config", "-c", help="The configuration ($SYNCD_CONFIG).")]
Output = Annotated[Literal["text", "json"], typer.Option("--output", "-o", help="Form of the answer.")]
Only = Annotated[str | None, typer.Option("--cluster", help="This cluster only.")]
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
def one(config: Path | None, only: str | None) -> Iterator[Foreground]:
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
    with foreground(wiring, found[0]) as front:
        yield front


def find(sights: Sequence[Sight], typed: str) -> Cert:
    """The certificate that a person means, of all that was seen in some clusters. Raises ConfigError."""
    wanted = typed.lower().replace(":", "")
    known = {fingerprint: cert for sight in sights for fingerprint, cert in show.known_certs(sight.seen).items()}
    matching = [cert for fingerprint, cert in known.items() if fingerprint.startswith(wanted)]
    if len(wanted) < 4 or len(matching) != 1:  # noqa: PLR2004 - fewer digits mean nothing
        text = f"{typed} names {len(matching)} of the certificates that were seen"
        shorts = ", ".join(sorted({cert.short for cert in known.values()}))
        raise ConfigError("fingerprint", text, cure=f"Seen: {shorts or 'none'}")
    return matching[0]
