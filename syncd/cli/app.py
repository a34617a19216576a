"""What a person types. Exit codes: 0 well, 1 wrong or failed, 2 configuration or command line wrong, 3 changes wait."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from syncd.cli import asks, show
from syncd.cli.checks import checks
from syncd.cli.once import Foreground, Sight, foreground
from syncd.cli.statuses import fetch, status_text
from syncd.cli.wiring import Wiring, default_config, version
from syncd.config import load
from syncd.config.model import Cluster, parse_duration
from syncd.core.bundle import Cert
from syncd.core.errors import ConfigError, SyncdError
from syncd.core.model import Alias
from syncd.ports import now

WRONG, USAGE, WAITING = 1, 2, 3

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Keeps trust alive between self-managed Elasticsearch clusters and clusters run by ECK.",
)  # fmt: skip
config_app = typer.Typer(no_args_is_help=True, help="The configuration file.", rich_markup_mode=None)
app.add_typer(config_app, name="config")

Config = Annotated[Path | None, typer.Option("--config", "-c", help="The configuration ($SYNCD_CONFIG).")]
Output = Annotated[Literal["text", "json"], typer.Option("--output", "-o", help="Form of the answer.")]
Only = Annotated[str | None, typer.Option("--cluster", help="This cluster only.")]
Fingerprint = Annotated[str, typer.Argument(help="SHA-256 of the certificate, or its first digits (four or more).")]


def main() -> None:
    """The console script: errors of ours are told in plain words."""
    try:
        app()
    except ConfigError as error:
        _fail(error, USAGE)
    except SyncdError as error:
        _fail(error, WRONG)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(WRONG)


def _fail(error: SyncdError, code: int) -> NoReturn:
    print(f"syncd: {error}", file=sys.stderr)  # noqa: T201 - what the person is told
    sys.exit(code)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _print_json(body: object) -> None:
    typer.echo(json.dumps(body, indent=1, sort_keys=True))


def _wiring(config: Path | None) -> Wiring:
    path = config or default_config()
    return Wiring(load.load(path), path)


def _clusters(wiring: Wiring, only: str | None) -> tuple[Cluster, ...]:
    found = tuple(cluster for cluster in wiring.whole.clusters if only in (None, cluster.name))
    if not found:
        names = ", ".join(cluster.name for cluster in wiring.whole.clusters)
        raise ConfigError(
            "no_cluster", f"there is no cluster {only}", where=str(wiring.path), cure=f"There is: {names}"
        )
    return found


def _sights(config: Path | None, only: str | None) -> Iterator[Sight]:
    wiring = _wiring(config)
    for cluster in _clusters(wiring, only):
        with foreground(wiring, cluster) as front:
            yield front.look()


@app.command()
def run(config: Config = None) -> None:
    """The daemon: keep every cluster of the configuration, until SIGTERM."""
    from syncd.cli.daemon import Daemon  # noqa: PLC0415 - the other commands need none of it

    Daemon(config or default_config()).run()


@app.command()
def once(config: Config = None, cluster: Only = None) -> None:
    """One pass over each cluster; exit code 1 if a step failed, 3 if something is still held back."""
    wiring, code = _wiring(config), 0
    for each in _clusters(wiring, cluster):
        with foreground(wiring, each) as front:
            if not front.try_permit():
                raise SyncdError(
                    "standby", f"{front.world.permit.holder() or 'another syncd'} keeps {each.name}; see: syncd status"
                )
            report = front.make_pass()
        _say(show.report_text(report))
        code = max(code, WRONG if report.failures else 0)
        code = code or (WAITING if report.plan.holds else 0)
    raise typer.Exit(code)


@app.command()
def plan(config: Config = None, cluster: Only = None, output: Output = "text") -> None:
    """What would change, per node, and what is held back; exit code 3 if a change waits. Changes nothing."""
    sights = list(_sights(config, cluster))
    if output == "json":
        _print_json([show.plan_document(sight.plan) for sight in sights])
    else:
        _say(line for sight in sights for line in show.plan_text(sight.plan))
    raise typer.Exit(WAITING if any(show.waits(sight.plan) for sight in sights) else 0)


@app.command()
def check(config: Config = None, cluster: Only = None, output: Output = "text") -> None:
    """Each prerequisite: ok, wrong or unknown, with the cure; exit code 1 if one is wrong."""
    results = {sight.policy.cluster: checks(sight.policy, sight.seen, sight.plan) for sight in _sights(config, cluster)}
    if output == "json":
        _print_json({name: [show.as_dict(one) for one in found] for name, found in results.items()})
    else:
        _say(line for name, found in results.items() for line in show.check_text(name, found))
    raise typer.Exit(WRONG if any(one.result == "wrong" for found in results.values() for one in found) else 0)


@app.command()
def status(config: Config = None, output: Output = "text") -> None:
    """A row per node and remote, as the daemon sees it."""
    document = fetch(_wiring(config).whole.telemetry.listen)
    if output == "json":
        _print_json(document)
    else:
        _say(status_text(document))


@app.command()
def explain(fingerprint: Fingerprint, config: Config = None, cluster: Only = None, output: Output = "text") -> None:
    """Who holds a certificate, since when, why, and what would take it out."""
    for sight in _sights(config, cluster):
        cert = _find(sight, fingerprint)
        if output == "json":
            _print_json(show.explain_document(cert, sight.plan))
        else:
            _say(show.explain_text(cert, sight.seen, sight.plan))


@app.command()
def approve(fingerprint: Fingerprint, config: Config = None, cluster: Only = None) -> None:
    """Take a published CA that the accept policy holds back (or that was revoked)."""
    with _one(config, cluster) as front:
        cert = _find(front.look(), fingerprint)
        typer.echo(asks.request(front, "approve", cert.fingerprint))


@app.command()
def adopt(
    fingerprint: Annotated[str, typer.Argument(help="A certificate's fingerprint; with --owner a cluster.")],
    config: Config = None,
    cluster: Only = None,
    alias: Annotated[str | None, typer.Option(help="The remote whose old CA it is.")] = None,
    owner: Annotated[bool, typer.Option("--owner", help="Take over a cluster that another syncd kept.")] = False,
) -> None:
    """Say that a foreign certificate is an old CA of a remote: it then retires by proof."""
    with _one(config, fingerprint if owner else cluster) as front:
        if owner:
            typer.echo(asks.request(front, "take_over", ""))
            return
        aliases = [remote.alias for remote in front.world.policy.remotes]
        chosen = Alias(alias) if alias else aliases[0]
        if (alias is None and len(aliases) > 1) or chosen not in aliases:
            raise ConfigError("no_alias", "say whose old CA it is", cure=f"--alias {' | '.join(aliases)}")
        cert = _find(front.look(), fingerprint)
        typer.echo(asks.request(front, "adopt", f"{chosen} {cert.fingerprint}"))


@app.command()
def revoke(
    fingerprint: Fingerprint,
    config: Config = None,
    cluster: Only = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take a certificate out of every file at once, without overlap, after listing what breaks."""
    with _one(config, cluster) as front:
        sight = front.look()
        cert = _find(sight, fingerprint)
        broken = show.broken_by_removal(cert, sight.seen, now())
        _say(["This breaks:", *(f"  {line}" for line in broken)] if broken else ["Nothing that was seen needs it."])
        if not yes:
            typer.confirm(f"Take {cert.short} ({cert.subject}) out of every file?", abort=True)
        typer.echo(asks.request(front, "revoke", cert.fingerprint))


@app.command()
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
    with _one(config, cluster) as front:
        typer.echo(asks.request(front, "pause", (now() + span).isoformat()))


@app.command()
def resume(cluster: Annotated[str, typer.Argument(help="The cluster.")], config: Config = None) -> None:
    """End a pause."""
    with _one(config, cluster) as front:
        typer.echo(asks.request(front, "resume", ""))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Stay up at the end, with the URLs.")] = False,
) -> None:
    """The whole job on an embedded world on loopback; exit code 1 if a proof failed."""
    from syncd.demo.show import show_demo  # noqa: PLC0415 - the daemon needs none of it

    raise typer.Exit(0 if show_demo(keep=keep) else WRONG)


@app.command(name="version")
def show_version() -> None:
    """The installed version."""
    typer.echo(version())


@config_app.command("init")
def config_init() -> None:
    """Print a commented example."""
    typer.echo(load.example(), nl=False)


@config_app.command("validate")
def config_validate(config: Config = None) -> None:
    """Check the file; exit code 2 with file, line, key and what was expected for each mistake."""
    path = config or default_config()
    load.load(path)
    typer.echo(f"{path}: ok")


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of the file."""
    _print_json(load.schema())


@contextmanager
def _one(config: Path | None, only: str | None) -> Iterator[Foreground]:
    """The one cluster that a changing verb is about."""
    wiring = _wiring(config)
    found = _clusters(wiring, only)
    if len(found) > 1:
        names = " | ".join(cluster.name for cluster in found)
        raise ConfigError("which_cluster", "say which cluster is meant", cure=f"--cluster {names}")
    with foreground(wiring, found[0]) as front:
        yield front


def _find(sight: Sight, typed: str) -> Cert:
    """The certificate that a person means."""
    wanted = typed.lower().replace(":", "")
    matching = [cert for print_, cert in show.known_certs(sight.seen).items() if print_.startswith(wanted)]
    if len(wanted) < 4 or len(matching) != 1:  # noqa: PLR2004 - fewer digits mean nothing
        known: dict[str, Any] = {cert.short: cert.subject for cert in show.known_certs(sight.seen).values()}
        text = f"{typed} names {len(matching)} of the certificates that were seen"
        raise ConfigError("fingerprint", text, cure=f"Seen: {', '.join(sorted(known)) or 'none'}")
    return matching[0]
