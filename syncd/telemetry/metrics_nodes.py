"""Metrics of restarts, keystores and mirrors, from the last report of each cluster."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client.core import Metric

from syncd.core.bundle import Fingerprint
from syncd.core.model import Context, KeystoreState, Known, MirrorState, NodeSeen, Report
from syncd.telemetry.families import gauge
from syncd.telemetry.standing_mirror import mirror_as_wanted


def node_metrics(reports: Iterable[Report]) -> Iterator[Metric]:
    """All of them."""
    rows = list(reports)
    yield from _restarts(rows)
    yield _keystores(rows)
    yield from _mirrors(rows)
    yield _own_cas(rows)


def _restarts(reports: list[Report]) -> Iterator[Metric]:
    opened = gauge("restart_open_timestamp_seconds", "Since when a node's restart is open.", "cluster", "node")
    needed = gauge("restart_needed", "Whether a node needs a restart.", "cluster", "node")
    last = gauge(
        "restart_last_timestamp_seconds", "When a node was last restarted by syncd.", "cluster", "node", "result"
    )
    for report in reports:
        cluster = report.seen.cluster.value if isinstance(report.seen.cluster, Known) else None
        for name in report.seen.nodes:
            needed.add_metric([report.cluster, name], float(name in report.plan.needs))
        if cluster and cluster.restart:
            opened.add_metric([report.cluster, cluster.restart.node], cluster.restart.at.timestamp())
        for name, done in cluster.restarted.items() if cluster else ():
            if name in report.seen.nodes:
                last.add_metric([report.cluster, name, done.result], done.at.timestamp())
    return iter((opened, needed, last))


def _keystores(reports: list[Report]) -> Metric:
    """Only whether; a value, or what is like one, is nowhere."""
    family = gauge(
        "keystore_in_step", "Whether a keystore holds the credential it should.", "cluster", "node", "setting"
    )
    for report in reports:
        for name, node in report.seen.nodes.items():
            keystore = _keystore(node)
            for setting, state in keystore.settings.items() if keystore else ():
                family.add_metric([report.cluster, name, setting], float(state == "wanted"))
    return family


def _keystore(node: NodeSeen) -> KeystoreState | None:
    """None of a node that is known not to dial remotes: it needs no credential."""
    if not node.may_use(Context.REMOTE_CLUSTER_CLIENT):
        return None
    seen = node.keystore
    return seen.value if isinstance(seen, Known) else None


def _mirrors(reports: list[Report]) -> Iterator[Metric]:
    in_step = gauge(
        "mirror_in_step",
        "Whether the ConfigMap that ECK reads is known to hold all that is wanted of us.",
        "cluster",
        "alias",
    )
    shown = gauge("mirror_shown_nodes", "Nodes of the remote that have shown our CAs loaded.", "cluster", "alias")
    expected = gauge("mirror_expected_nodes", "How many should, as far as it is known.", "cluster", "alias")
    for report in reports:
        for alias, remote in report.seen.remotes.items():
            wanted = mirror_as_wanted(report, alias)
            if wanted is not None:
                in_step.add_metric([report.cluster, alias], float(wanted))
            if isinstance(remote.mirror, Known):
                shown.add_metric([report.cluster, alias], len(_showing(remote.mirror.value, report, alias)))
                if isinstance(remote.endpoints, Known):
                    expected.add_metric([report.cluster, alias], max(1, remote.endpoints.value))
    return iter((in_step, shown, expected))


def _showing(mirror: MirrorState, report: Report, alias: str) -> set[str]:
    """The remote's nodes whose transport port names a marker of ours."""
    mine = {cert.subject for cert in mirror.markers if cert.fingerprint in (mirror.ours or ())}
    remote = next(remote for name, remote in report.seen.remotes.items() if name == alias)
    return {sight.presented.leaf.subject for sight in remote.shown if mine & sight.accepted}


def _own_cas(reports: list[Report]) -> Metric:
    family = gauge(
        "own_ca_not_after_timestamp_seconds",
        "End of each CA by which the nodes trust each other.",
        "cluster",
        "fingerprint",
    )
    for report in reports:
        found: dict[Fingerprint, datetime] = {}
        for node in report.seen.nodes.values():
            trust = node.trust
            found |= {
                cert.fingerprint: cert.not_after for cert in (trust.value.certs if isinstance(trust, Known) else ())
            }
        for fingerprint, moment in found.items():
            family.add_metric([report.cluster, fingerprint], moment.timestamp())
    return family
