"""What must hold when a fault is over."""

import json
import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from syncd.core.bundle import bundle_digest
from tests.bed.elasticsearch import PASSWORD
from tests.bed.kube import ADMIN
from tests.bed.small import API_KEY, CLUSTER
from tests.soak.ledger import Rest
from tests.soak.world import Member, World

SETTLE = 120.0
"""Seconds from the cure until everything is proven and nothing waits."""
_WARM_UP = 6
"""So many rests of a life come before what it uses is compared: what is kept on purpose is there by then."""
_SOME = 5
"""Sessions, watches and pools come and go, so the least of so many rests is compared with the least of the latest."""
_MOST = (("resident MB", 10.0), ("descriptors", 6.0), ("threads", 6.0))


def settle(world: World, cured: datetime) -> float | None:
    """Seconds until all was well by a pass that began after the cure; None (and a violation): it did not come."""
    began, told = time.monotonic(), len(world.ledger.violations)
    why = "nothing was looked at"
    first: set[str] = set()
    while time.monotonic() - began < SETTLE:
        why = unwell(world, cured)
        ends = _ends(world)
        if not why:
            first = first or ends  # of passes that may have begun before the cure: the next ones count
            if ends and not ends & first:
                return time.monotonic() - began
        if len(world.ledger.violations) > told:
            return None
        time.sleep(0.3)
    world.ledger.violation(f"not well {SETTLE:g} s after the cure: {why}")
    return None


def _ends(world: World) -> set[str]:
    """When the last pass of each cluster ended."""
    return {cluster["at"] for cluster in world.site.status()["clusters"]}


def unwell(world: World, cured: datetime) -> str:
    """The first thing that is not as it should be; empty: all is well."""
    clusters = world.site.status()["clusters"]
    if len(clusters) < 2:
        return "the daemon has not told of both clusters"
    faults = [fault for cluster in clusters if (fault := _cluster(cluster, cured))]
    rows = {row["node"]: row for cluster in clusters for row in cluster["rows"]}
    faults += [fault for member in world.members if (fault := _member(world, member, rows))]
    return "; ".join(faults[:4])


def _cluster(cluster: dict[str, Any], cured: datetime) -> str:
    if datetime.fromisoformat(cluster["at"]) < cured:
        return f"no pass of {cluster['cluster']} since the cure"
    if not cluster["settled"]:
        told = [f"{hold['rule']} ({hold['subject']}: {hold['text'][:80]})" for hold in cluster["holds"]]
        return f"{cluster['cluster']} is not settled: {told} {cluster['failures']}"
    return ""


def _member(world: World, member: Member, rows: dict[str, dict[str, Any]]) -> str:
    try:
        certs = member.read()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not well
        return f"{member.name}: {error!r}"
    wanted = {world.published.cert} | world.foreign[member.name]
    if certs != wanted:
        return f"{member.name} lacks {_short(wanted - certs)} and has {_short(certs - wanted)} too many"
    status, yml = member.trust.stat(), member.trust.with_name("elasticsearch.yml").stat()
    if (status.st_uid, status.st_gid, status.st_mode) != (yml.st_uid, yml.st_gid, yml.st_mode):
        return f"owner or mode of {member.trust} are not those of elasticsearch.yml"
    row = rows.get(member.name, {})
    if row.get("bundle") != bundle_digest(certs)[:16] or not str(row.get("loaded")).startswith("proven"):
        return f"{member.name} is not proven: {row}"
    return "" if row.get("link") == "up" else f"the link of {member.name} is not up: {row}"


def _short(certs: set[Any]) -> list[str]:
    return sorted(cert.short for cert in certs)


def no_secret(world: World) -> None:
    """No password, key or token in anything that is told or stored."""
    key = (world.site.folder / "id_ed25519").read_text().splitlines()[3]
    secrets = {"password": PASSWORD, "API key": API_KEY, "token": ADMIN, "SSH key": key}
    for where, text in _told(world).items():
        for what, secret in secrets.items():
            if secret in text:
                world.ledger.violation(f"the {what} is in the {where}")


def _told(world: World) -> dict[str, str]:
    maps = world.site.kube.request("GET", "/api/v1/namespaces/syncd/configmaps")
    return {
        "log": (world.site.folder / "syncd.log").read_text(errors="replace"),
        "metrics": world.site.page("/metrics"),
        "status": world.site.page("/status"),
        "state": json.dumps(maps),
    }


def state_names(world: World) -> tuple[str, str]:
    """The ConfigMaps of both clusters."""
    config = json.loads(world.site.config.read_text())
    return str(config["clusters"][0]["state"]["name"]), CLUSTER


def rest(world: World) -> None:
    """Note what the daemon uses, and compare it with what it used earlier in its life."""
    if not world.site.daemon:
        return
    now_used = used(world.site.daemon.pid, world.ledger.elapsed())
    world.ledger.rests.append(now_used)
    world.ledger.note(f"  {now_used.rss_mb:.1f} MB, {now_used.descriptors} descriptors, {now_used.threads} threads")
    life = [each for each in world.ledger.rests if each.pid == now_used.pid]
    early, late = life[_WARM_UP : _WARM_UP + _SOME], life[_WARM_UP + _SOME :][-_SOME:]
    if len(late) == _SOME:
        for (what, most), before, after in zip(_MOST, _least(early), _least(late), strict=True):
            if after - before > most:
                world.ledger.violation(f"the daemon grew from {before:.1f} to {after:.1f} {what} in {len(life)} rests")


def _least(rests: list[Rest]) -> tuple[float, float, float]:
    return min(r.rss_mb for r in rests), min(r.descriptors for r in rests), min(r.threads for r in rests)


def used(pid: int, at: float) -> Rest:
    proc = Path(f"/proc/{pid}")
    pages = int((proc / "statm").read_text().split()[1])
    return Rest(
        at,
        pid,
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        len(list((proc / "fd").iterdir())),
        len(list((proc / "task").iterdir())),
    )
