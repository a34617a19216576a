"""What a person types. Exit codes: 0 well, 1 wrong or failed, 2 configuration or command line wrong, 3 changes wait."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from syncd.cli import show
from syncd.cli.check import Check
from syncd.cli.checks import checks
from syncd.cli.common import Config, Fingerprint, Only, Output, acting, clusters_of, find, say, wiring_of
from syncd.cli.exits import USAGE, WAITING, WELL, WRONG, worst
from syncd.cli.named_files import file_checks, files_of
from syncd.cli.once import Foreground, Sight, foreground
from syncd.cli.statuses import ask, status_code, status_text
from syncd.cli.verbs import verbs
from syncd.cli.wiring import Wiring, default_config, version
from syncd.config import load
from syncd.config.model import Cluster
from syncd.core.errors import ConfigError, SyncdError
from syncd.core.model import Report

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Keeps trust alive between self-managed Elasticsearch clusters and clusters run by ECK.",
)  # fmt: skip
app.add_typer(verbs)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version())
        raise typer.Exit


@app.callback()
def syncd(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What is common to all commands: nothing but the version."""


config_app = typer.Typer(no_args_is_help=True, help="The configuration file.", rich_markup_mode=None)
app.add_typer(config_app, name="config")


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


def _print_json(body: object) -> None:
    typer.echo(json.dumps(body, indent=1, sort_keys=True))


def _sights(config: Path | None, only: str | None) -> Iterator[Sight]:
    wiring = wiring_of(config)
    for cluster in clusters_of(wiring, only):
        with foreground(wiring, cluster) as front:
            yield front.look()


@app.command()
def run(config: Config = None) -> None:
    """The daemon: keep every cluster, until SIGTERM."""
    from syncd.cli.daemon import Daemon  # noqa: PLC0415 - the other commands need none of it

    Daemon(config or default_config()).run()


@app.command()
def once(config: Config = None, cluster: Only = None) -> None:
    """One pass over each cluster, and the restarts that are due.

    Exit code 1 if a step failed or another process holds the permit of a cluster, 3 if something is still held back.
    """
    wiring = wiring_of(config)
    raise typer.Exit(worst([_one_cluster(wiring, each) for each in clusters_of(wiring, cluster)]))


def _one_cluster(wiring: Wiring, cluster: Cluster) -> int:
    """The exit code of one; what is wrong with it keeps no other from its pass."""
    try:
        with acting(wiring, cluster) as front:
            if not front.try_permit():
                raise _no_permit(front, cluster.name)
            return _to_the_end(front)
    except SyncdError as error:
        typer.echo(f"syncd: {error}", err=True)
        return USAGE if isinstance(error, ConfigError) else WRONG


def _no_permit(front: Foreground, cluster: str) -> SyncdError:
    holder = front.world.permit.holder()
    if not holder and (trouble := front.world.permit.trouble()):
        return SyncdError("permit_unavailable", f"the right to change {cluster} cannot be had: {trouble}")
    return SyncdError("standby", f"{holder or 'another syncd'} keeps {cluster}; see: syncd status")


def _to_the_end(front: Foreground) -> int:
    """All passes over one cluster, told as they are made: a step that failed in any of them did fail."""
    report = front.make_pass()
    say(show.report_text(report))
    failed = bool(report.failures)

    def tell(again: Report) -> None:
        nonlocal failed
        failed = failed or bool(again.failures)
        say(show.progress_text(again))

    report = front.finish(report, tell)
    return WRONG if failed else WAITING if report.plan.holds else WELL


@app.command()
def plan(config: Config = None, cluster: Only = None, output: Output = "text") -> None:
    """What would change, and what is held back. Changes nothing.

    Exit code 3 if anything waits or is held.
    """
    sights = list(_sights(config, cluster))
    if output == "json":
        _print_json([show.plan_document(sight.plan) for sight in sights])
    else:
        say(line for sight in sights for line in show.plan_text(sight.plan))
    raise typer.Exit(WAITING if any(show.waits(sight.plan) for sight in sights) else 0)


@app.command()
def check(
    config: Config = None,
    cluster: Only = None,
    output: Output = "text",
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 also if one is unknown.")] = False,
) -> None:
    """Each prerequisite: ok, wrong or unknown, with the cure.

    Exit code 1 if one is wrong.
    """
    wiring, results = wiring_of(config), {}
    for each in clusters_of(wiring, cluster):
        results[each.name] = (*file_checks(each, wiring.path), *_looked_at(wiring, each))
    if output == "json":
        _print_json({name: [asdict(one) for one in found] for name, found in results.items()})
    else:
        say(line for name, found in results.items() for line in show.check_text(name, found))
    bad = ("wrong", "unknown") if strict else ("wrong",)
    raise typer.Exit(WRONG if any(one.result in bad for found in results.values() for one in found) else WELL)


def _looked_at(wiring: Wiring, cluster: Cluster) -> tuple[Check, ...]:
    """What a look gives; where none can be made, why: what was told of the files then says more."""
    try:
        with foreground(wiring, cluster) as front:
            sight = front.look()
    except SyncdError as error:
        return (Check("cluster", "it can be looked at", "wrong", f"{error}", "See what is said of the files above"),)
    return checks(sight.policy, sight.seen, sight.plan)


@app.command()
def status(config: Config = None, cluster: Only = None, output: Output = "text") -> None:
    """A row per node and remote, as the daemon sees it.

    Exit code 1 if something is wrong, 3 if something waits.
    """
    wiring = wiring_of(config)
    told = ask(wiring.whole, tuple(each.name for each in clusters_of(wiring, cluster)))
    if output == "json":
        _print_json(told.document | {"no_pass_yet": told.untold, "faults": told.faults})
    else:
        say(status_text(told))
    raise typer.Exit(status_code(told))


@app.command()
def explain(fingerprint: Fingerprint, config: Config = None, cluster: Only = None, output: Output = "text") -> None:
    """Who holds a certificate, since when and why.

    And what would take it out, in each cluster that knows it.
    """
    sights = list(_sights(config, cluster))  # before the first word: another cluster may be the one that knows it
    cert = find(sights, fingerprint)
    knowing = [sight for sight in sights if cert.fingerprint in show.known_certs(sight.seen)]
    if output == "json":
        documents = [show.explain_document(cert, sight.plan) for sight in knowing]
        _print_json(documents if len(documents) > 1 else documents[0])
        return
    for sight in knowing:
        say([f"{sight.plan.cluster}:"] if len(sights) > 1 else [])
        say(show.explain_text(cert, sight.seen, sight.plan))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Stay up at the end, with the URLs.")] = False,
) -> None:
    """The whole job on an embedded world on loopback.

    Exit code 1 if a proof failed.
    """
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
def config_validate(
    config: Config = None,
    files: Annotated[
        bool, typer.Option("--files", help="Exit code 2 also if a file that it names is of no use.")
    ] = False,
) -> None:
    """Check the file, and list those that it names.

    Exit code 2 with file, line, key and what was expected for each mistake.
    """
    path = config or default_config()
    states = {file: file.state for file in files_of(load.load(path), path)}
    typer.echo(f"{path}: ok")
    for file, state in states.items():
        typer.echo(f"  {'' if state == 'there' else 'warning: '}{file.key}: {file.path}: {state}")
    if files and set(states.values()) - {"there"}:
        raise typer.Exit(USAGE)


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of the file."""
    _print_json(load.schema())
