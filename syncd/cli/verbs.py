"""The verbs that change something: each is a request that the holder of the permit carries out."""

from datetime import timedelta
from typing import Annotated

import typer

from syncd.cli import asks, show
from syncd.cli.common import Config, Fingerprint, Only, find, one, say
from syncd.cli.consent import revoke_text
from syncd.cli.once import Foreground
from syncd.config.base import parse_duration
from syncd.core.errors import ConfigError, SyncdError
from syncd.core.memory import certs_anywhere
from syncd.core.model import Alias, Report
from syncd.ports import now

verbs = typer.Typer()


@verbs.command()
def approve(fingerprint: Fingerprint, config: Config = None, cluster: Only = None) -> None:
    """Take a published CA that the accept policy holds back (or that was revoked)."""
    with one(config, cluster) as front:
        cert = find([front.look()], fingerprint)
        typer.echo(asks.request(front, "approve", cert.fingerprint))


@verbs.command()
def adopt(
    fingerprint: Annotated[str, typer.Argument(help="A certificate's fingerprint; with --owner a cluster.")],
    config: Config = None,
    cluster: Only = None,
    alias: Annotated[str | None, typer.Option(help="The remote whose old CA it is.")] = None,
    owner: Annotated[bool, typer.Option("--owner", help="Take over a cluster that another syncd kept.")] = False,
) -> None:
    """Say that a foreign certificate is an old CA of a remote: it then retires by proof."""
    with one(config, fingerprint if owner else cluster) as front:
        if owner:
            typer.echo(asks.request(front, "take_over", ""))
            return
        aliases = [remote.alias for remote in front.world.policy.remotes]
        if not aliases:
            text = "the cluster has no remotes, so this is the old CA of none"
            raise ConfigError("no_alias", text, cure="syncd revoke takes it out of every file")
        chosen = Alias(alias) if alias else aliases[0]
        if (alias is None and len(aliases) > 1) or chosen not in aliases:
            raise ConfigError("no_alias", "say whose old CA it is", cure=f"--alias {' | '.join(aliases)}")
        sight = front.look()
        cert = find([sight], fingerprint)
        if cert.fingerprint not in certs_anywhere(sight.seen):
            text = f"no node's file that can be read holds {cert.short}; nothing was done"
            cure = f"syncd explain {cert.short} says where it was seen, syncd check which files cannot be read"
            raise SyncdError("not_held", text, cure=cure)
        typer.echo(asks.request(front, "adopt", f"{chosen} {cert.fingerprint}"))


@verbs.command()
def revoke(
    fingerprint: Fingerprint,
    config: Config = None,
    cluster: Only = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take a certificate out of every file at once, without overlap, after listing what breaks."""
    with one(config, cluster) as front:
        sight = front.look()
        cert = find([sight], fingerprint)
        say(revoke_text(cert, sight.seen, sight.plan, now()))
        if not yes:
            typer.confirm(f"Take {cert.short} ({cert.subject}) out of every file?", abort=True)
        typer.echo(asks.request(front, "revoke", cert.fingerprint))


@verbs.command()
def pause(
    cluster: Annotated[str, typer.Argument(help="The cluster.")],
    for_: Annotated[str, typer.Option("--for", help="How long, such as 4h.")],
    config: Config = None,
) -> None:
    """Change nothing on a cluster for a while; looking and telling go on."""
    try:
        span: timedelta = parse_duration(for_)
    except ValueError as error:
        raise ConfigError("duration", str(error), where="--for") from error
    with one(config, cluster) as front:
        typer.echo(asks.request(front, "pause", (now() + span).isoformat()))


@verbs.command()
def resume(cluster: Annotated[str, typer.Argument(help="The cluster.")], config: Config = None) -> None:
    """End a pause."""
    with one(config, cluster) as front:
        typer.echo(asks.request(front, "resume", ""))


def _progress(report: Report) -> None:
    say(show.progress_text(report))


@verbs.command()
def restart(
    cluster: Annotated[str, typer.Argument(help="The cluster.")],
    config: Config = None,
    node: Annotated[str | None, typer.Option("--node", help="This node, whether it needs it or not.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every node, whether it needs it or not.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Restart the nodes that need it, one at a time, whatever restart.policy and the windows say."""
    if everything and node is not None:
        cure = "Give one of them: --node for that node alone, --all for every node"
        raise ConfigError("what", f"--all is more than --node {node}; nothing was asked for", cure=cure)
    with one(config, cluster) as front:
        wanted = "*" if everything else "" if node is None else _configured(front, node)
        say(show.restart_text(front.look().plan))
        if not yes:
            typer.confirm(f"Restart {_which(wanted)} of {cluster}, one at a time?", abort=True)
        typer.echo(asks.request(front, "restart", wanted, _progress))


def _which(wanted: str) -> str:
    """What the argument of a restart means, in words: the person consents to what is requested, and to nothing else."""
    return {"": "the nodes that need it", "*": "every node"}.get(wanted, f"node {wanted}")


def _configured(front: Foreground, node: str) -> str:
    """The name of a node, if there is one of that name: before anybody is asked anything. Raises SyncdError."""
    names = [each.name for each in front.world.policy.nodes]
    if node not in names:
        raise SyncdError("no_node", f"there is no node {node}; nothing was done", cure=f"There is: {', '.join(names)}")
    return node


@verbs.command()
def forget(
    alias: Annotated[str | None, typer.Argument(help="A remote that the configuration no longer has.")] = None,
    config: Config = None,
    cluster: Only = None,
    node: Annotated[str | None, typer.Option("--node", help="A dead node, for which nothing is to wait.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Leave a remote: its settings, credential and trust; or stop waiting for a dead node."""
    if (alias is None) == (node is None):
        raise ConfigError(
            "what", "say what is to be forgotten", cure="syncd forget ALIAS, or: syncd forget --node NODE"
        )
    with one(config, cluster) as front:
        if node is not None:
            _configured(front, node)
        elif alias in {remote.alias for remote in front.world.policy.remotes}:
            text = f"{alias} is in the configuration; nothing was done"
            raise SyncdError("still_configured", text, cure=f"Take it out of there first, then: syncd forget {alias}")
        what = f"the remote {alias}: searches over it end" if alias else f"node {node}, until it is seen again"
        if not yes:
            typer.confirm(f"Forget {what}?", abort=True)
        typer.echo(asks.request(front, "forget" if alias else "forget_node", alias or node or "", _progress))
