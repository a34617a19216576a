"""The verbs that change something: each is a request that the holder of the permit carries out."""

from datetime import timedelta
from typing import Annotated

import typer

from syncd.cli import asks, show
from syncd.cli.common import Config, Fingerprint, Named, Only, Yes, find, meant, one, say
from syncd.cli.consent import approve_text, owner_text, revoke_text
from syncd.cli.leaving import forget_text
from syncd.cli.once import Foreground, Sight
from syncd.config.base import parse_duration
from syncd.core.errors import ConfigError, SyncdError
from syncd.core.model import Alias, Verb
from syncd.core.requests import left_models
from syncd.ports import now

verbs = typer.Typer()
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(days=30)
"""Of a pause: less is over before anything is held by it, more is forgotten."""


def _ask(front: Foreground, verb: Verb, argument: str) -> None:
    typer.echo(asks.request(front, verb, argument, say))


@verbs.command()
def approve(fingerprint: Fingerprint, config: Config = None, cluster: Only = None, yes: Yes = False) -> None:
    """Take a published CA that is held back, or was revoked."""
    with one(config, cluster) as front:
        sight = front.look()
        cert = find([sight], fingerprint)
        say(approve_text(cert, sight.seen))
        if not yes:
            typer.confirm(f"Let the nodes trust {cert.short}?", abort=True)
        _ask(front, "approve", cert.fingerprint)


@verbs.command()
def adopt(
    fingerprint: Fingerprint,
    config: Config = None,
    cluster: Only = None,
    alias: Annotated[str | None, typer.Option(help="The remote whose old CA it is.")] = None,
) -> None:
    """Call a foreign certificate an old CA of a remote. It then retires by proof."""
    with one(config, cluster) as front:
        aliases = [remote.alias for remote in front.world.policy.remotes]
        if not aliases:
            text = "the cluster has no remotes, so this is the old CA of none"
            raise ConfigError("no_alias", text, cure="syncd revoke takes it out of every file")
        chosen = Alias(alias) if alias else aliases[0]
        if (alias is None and len(aliases) > 1) or chosen not in aliases:
            raise ConfigError("no_alias", "say whose old CA it is", cure=f"--alias {' | '.join(aliases)}")
        sight = front.look()
        cert = find([sight], fingerprint)
        if cert.fingerprint not in sight.seen.certs_of_all_contexts:
            text = f"no node's file that can be read holds {cert.short}; nothing was done"
            cure = f"syncd explain {cert.short} says where it was seen, syncd check which files cannot be read"
            raise SyncdError("not_held", text, cure=cure)
        _ask(front, "adopt", f"{chosen} {cert.fingerprint}")


@verbs.command(name="take-over")
def take_over(cluster: Named = None, config: Config = None, only: Only = None, yes: Yes = False) -> None:
    """Keep a cluster that another syncd kept."""
    with one(config, meant(cluster, only)) as front:
        name = front.world.policy.cluster
        say(owner_text(front.look().seen, name, front.world.permit.owner))
        if not yes:
            typer.confirm(f"Keep {name} from here, and no more from there?", abort=True)
        _ask(front, "take_over", "")
        typer.echo("syncd status shows the owner, once Elasticsearch has written it down")


@verbs.command()
def revoke(fingerprint: Fingerprint, config: Config = None, cluster: Only = None, yes: Yes = False) -> None:
    """Take a certificate out of every file at once. What breaks is listed first."""
    with one(config, cluster) as front:
        sight = front.look()
        cert = find([sight], fingerprint)
        say(revoke_text(cert, sight.seen, sight.plan, now()))
        if not yes:
            typer.confirm(f"Take {cert.short} ({cert.subject}) out of every file?", abort=True)
        _ask(front, "revoke", cert.fingerprint)


@verbs.command()
def pause(
    for_: Annotated[str, typer.Option("--for", help="How long: 1m to 30d, such as 4h.")],
    cluster: Named = None,
    config: Config = None,
    only: Only = None,
) -> None:
    """Change nothing on a cluster for a while. Looking goes on."""
    span = _span(for_)
    with one(config, meant(cluster, only)) as front:
        _ask(front, "pause", (now() + span).isoformat())
        typer.echo("Meanwhile a new CA of ECK is written to no node, and links may break that need it: syncd status")


def _span(typed: str) -> timedelta:
    """How long a pause is to be. Raises ConfigError."""
    cure = "Give 1m to 30d, such as 4h"
    try:
        span: timedelta = parse_duration(typed)
    except ValueError as error:
        raise ConfigError("duration", str(error), where="--for", cure=cure) from error
    if not _SHORTEST <= span <= _LONGEST:
        which = "short" if span < _SHORTEST else "long"
        raise ConfigError("duration", f"{typed} is too {which} for a pause; nothing was done", where="--for", cure=cure)
    return span


@verbs.command()
def resume(cluster: Named = None, config: Config = None, only: Only = None) -> None:
    """End a pause."""
    with one(config, meant(cluster, only)) as front:
        _ask(front, "resume", "")


@verbs.command()
def restart(
    cluster: Named = None,
    config: Config = None,
    only: Only = None,
    node: Annotated[str | None, typer.Option("--node", help="This node, whether it needs it or not.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every node, whether it needs it or not.")] = False,
    yes: Yes = False,
) -> None:
    """Restart the nodes that need it, one at a time.

    Whatever restart.policy and the windows say.
    """
    if everything and node is not None:
        cure = "Give one of them: --node for that node alone, --all for every node"
        raise ConfigError("what", f"--all is more than --node {node}; nothing was asked for", cure=cure)
    with one(config, meant(cluster, only), restarts=True) as front:
        wanted = "*" if everything else "" if node is None else _configured(front, node)
        sight = front.look()
        say(show.restart_text(sight.plan, sight.seen))
        if not yes:
            typer.confirm(f"Restart {_which(wanted)} of {sight.policy.cluster}, one at a time?", abort=True)
        _ask(front, "restart", wanted)


def _which(wanted: str) -> str:
    """What the argument of a restart means, in words: the person consents to what is requested, and to nothing else."""
    return {"": "the nodes that need it", "*": "every node"}.get(wanted, f"node {wanted}")


def _of_remote(sight: Sight, alias: Alias) -> str:
    """What is to be forgotten of a remote, in words. Raises SyncdError where the configuration has all of it."""
    if alias not in {remote.alias for remote in sight.policy.remotes}:
        return f"the remote {alias}: searches over it end"
    if not left_models(alias, sight.policy, sight.seen.remembered):
        text = f"{alias} is in the configuration; nothing was done"
        raise SyncdError("still_configured", text, cure=f"Take it out of there first, then: syncd forget {alias}")
    return f"the security model that {alias} had before: the remote itself stays"


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
    yes: Yes = False,
) -> None:
    """Leave a remote, or wait no longer for a dead node.

    Of a remote its settings, credential and trust are taken away, after what is known of them was listed.
    """
    if (alias is None) == (node is None):
        raise ConfigError(
            "what", "say what is to be forgotten", cure="syncd forget ALIAS, or: syncd forget --node NODE"
        )
    with one(config, cluster, restarts=True) as front:
        if alias is None:
            what = f"node {_configured(front, node or '')}, until it is seen again"
        else:
            sight = front.look()
            what = _of_remote(sight, Alias(alias))
            say(forget_text(Alias(alias), sight.policy, sight.seen))
        if not yes:
            typer.confirm(f"Forget {what}?", abort=True)
        _ask(front, "forget" if alias else "forget_node", alias or node or "")
