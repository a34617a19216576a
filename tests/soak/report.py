"""The tables at the end."""

from collections.abc import Iterator

from tests.soak.ledger import Ledger, Rest


def report(ledger: Ledger, seed: int) -> str:
    return "\n".join(_lines(ledger, seed)) + "\n"


def _lines(ledger: Ledger, seed: int) -> Iterator[str]:
    verdict = "something was not as it must be" if ledger.violations else "all held"
    yield f"# Soak: {verdict}\n"
    total, connections = sum(ledger.made.values()), sum(ledger.connections.values())
    yield f"Seed {seed}, {ledger.elapsed() / 60:.1f} minutes, {total} faults, {connections} fresh connections that worked.\n"
    if ledger.violations:
        yield from (f"* {text}" for text in ledger.violations)
        yield ""
    yield "| fault | made | slowest recovery (s after the cure) |\n| --- | --- | --- |"
    for name, count in sorted(ledger.made.items()):
        slowest = f"{ledger.slowest[name]:.1f}" if name in ledger.slowest else "-"
        yield f"| {name} | {count} | {slowest} |"
    yield "\n| life of the daemon | rests | resident MB: first, last, most | descriptors | threads |"
    yield "| --- | --- | --- | --- | --- |"
    for pid in dict.fromkeys(rest.pid for rest in ledger.rests):
        yield _life([rest for rest in ledger.rests if rest.pid == pid])
    if ledger.violations:
        yield "\n## What was done and seen\n"
        yield from (f"    {line}" for line in ledger.lines)


def _life(rests: list[Rest]) -> str:
    sizes = [rest.rss_mb for rest in rests]
    descriptors, threads = [rest.descriptors for rest in rests], [rest.threads for rest in rests]
    size = f"{sizes[0]:.1f}, {sizes[-1]:.1f}, {max(sizes):.1f}"
    minutes = (rests[-1].at - rests[0].at) / 60
    return (
        f"| pid {rests[0].pid}, {minutes:.1f} min | {len(rests)} | {size} |"
        f" {min(descriptors)} to {max(descriptors)} | {min(threads)} to {max(threads)} |"
    )
