"""What a person reads before a certificate is revoked: nothing that lives on it is left out, and unknown is not nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from syncd.cli.consent import revoke_text
from syncd.core.model import (
    Alias,
    Context,
    Known,
    NodeSeen,
    Observed,
    Plan,
    Presented,
    RemoteSeen,
    Report,
    Seen,
    Shown,
    Unknown,
)
from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.fakes.world import ALIAS, NAMES, Bench, Syncd

DIALING = Context.REMOTE_CLUSTER_CLIENT
OTHER = EckCa.create(now(), cluster="other")
FAILED = Unknown("host_unreachable", "connection refused", now())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A settled cluster; each node's file holds a foreign CA besides."""
    bench = Bench(tmp_path_factory.mktemp("bench"))
    syncd = Syncd(bench)
    syncd.turn(2)
    for name in NAMES:
        path: Path = bench.hosts[name].real("/etc/elasticsearch/remote-cluster-ca.crt")
        path.write_bytes(path.read_bytes() + OTHER.pem)
    made = syncd.turn(2)
    syncd.end()
    return made


def said(seen: Observed, plan: Plan = Plan("onprem"), ca: EckCa = OTHER) -> str:  # noqa: B008 - it is frozen
    return "\n".join(revoke_text(ca.cert, seen, plan, now()))


def with_remote(report: Report, **changed: object) -> Observed:
    remote: RemoteSeen = replace(report.seen.remotes[ALIAS], **changed)  # type: ignore[arg-type]  # fields of RemoteSeen
    return replace(report.seen, remotes={ALIAS: remote})


def with_node(report: Report, **changed: object) -> Observed:
    node: NodeSeen = replace(report.seen.nodes[NAMES[0]], **changed)  # type: ignore[arg-type]  # fields of NodeSeen
    return replace(report.seen, nodes={**report.seen.nodes, NAMES[0]: node})


def sight(ca: EckCa, address: str = "other.example:9443") -> Presented:
    return Presented(ca.leaf().chain, address, now())


def test_nothing_needs_a_certificate_on_which_nothing_lives_and_all_is_known(report: Report) -> None:
    assert said(report.seen, report.plan) == "Nothing that was seen needs it."


def test_an_alias_that_syncd_does_not_manage_breaks_too(report: Report) -> None:
    """The guard lets it go: only this text can save it."""
    seen = replace(report.seen, strangers={(DIALING, Alias("other")): Known(sight(OTHER), now())})
    text = said(seen)
    for name in NAMES:
        assert f"{name}: new connections to the alias other, which syncd does not manage, (other.example:9443)" in text
    assert "Nothing" not in text


@pytest.mark.parametrize("stranger", [FAILED, Known(sight(EckCa.create(now())), now())], ids=["unknown", "another CA"])
def test_what_an_alias_presents_is_either_known_or_said_not_to_be(report: Report, stranger: Seen[Presented]) -> None:
    text = said(replace(report.seen, strangers={(DIALING, Alias("other")): stranger}))
    told = "not known whether the alias other, which syncd does not manage, needs it: what it presents is not known"
    assert (told in text) == isinstance(stranger, Unknown)
    assert ("Nothing that was seen needs it" in text) == isinstance(stranger, Known)


def test_a_remote_to_which_no_handshake_succeeded_may_need_it(report: Report) -> None:
    node = report.seen.nodes[NAMES[0]]
    seen = with_remote(report, presented=())
    seen = replace(seen, nodes={**seen.nodes, NAMES[0]: replace(node, handshakes={ALIAS: FAILED})})
    text = said(seen)
    assert f"not known whether {ALIAS} needs it: no handshake with it succeeded; connection refused" in text
    assert "Nothing" not in text


def test_each_endpoint_counts_and_not_the_latest_alone(report: Report) -> None:
    latest = report.seen.remotes[ALIAS].presented[-1]
    text = said(with_remote(report, presented=(sight(OTHER), latest)))
    assert f"{NAMES[0]}: new connections to {ALIAS} (other.example:9443)" in text


def test_what_a_node_itself_met_counts(report: Report) -> None:
    seen = with_node(report, handshakes={ALIAS: Known(sight(OTHER, "elsewhere.example:9443"), now())})
    assert f"{NAMES[0]}: new connections to {ALIAS} (elsewhere.example:9443)" in said(seen)


def test_the_current_ca_of_a_remote_is_called_that(report: Report) -> None:
    """Also where nothing is presented that it verifies: what the remote issues next will need it."""
    claims = report.plan.trust[DIALING].claims[NAMES[0]]
    (current,) = [claim.cert for claim in claims if claim.role == "current"]
    seen = with_remote(report, presented=(sight(OTHER),))
    seen = replace(seen, nodes={name: replace(node, handshakes={}) for name, node in seen.nodes.items()})
    text = "\n".join(revoke_text(current, seen, report.plan, now()))
    assert text == f"It is the current CA of {ALIAS}."
    assert "current CA" not in said(report.seen, report.plan), "another certificate of the same files is not"


def test_a_file_that_cannot_be_read_and_aliases_that_nobody_names_are_not_known(report: Report) -> None:
    assert f"not known whether {NAMES[0]} needs it: its file cannot be read" in said(with_node(report, files={}))
    silent = {name: replace(node, process=FAILED) for name, node in report.seen.nodes.items()}
    assert "no node answers that could name its aliases" in said(replace(report.seen, nodes=silent))


def test_what_the_nodes_present_to_each_other_counts_where_the_files_are_shared(report: Report) -> None:
    def seen_with(shown: Seen[Shown]) -> Observed:
        node = report.seen.nodes[NAMES[0]]
        assert isinstance(node.site, Known)
        site = Known(replace(node.site.value, shown=shown), now())
        files = {Context.TRANSPORT: node.files[DIALING]}
        return replace(with_node(report, site=site, files=files), remotes={})

    peer = Known(Shown(sight(OTHER, "10.0.0.1:9300"), frozenset()), now())
    assert f"{NAMES[0]}: new connections to the peer {NAMES[0]} (10.0.0.1:9300)" in said(seen_with(peer))
    assert f"not known whether the peer {NAMES[0]} needs it" in said(seen_with(FAILED))


def test_what_no_file_holds_is_needed_by_nothing(report: Report) -> None:
    """However little is known of the rest: taking it out changes no file."""
    seen = replace(with_remote(report, presented=()), strangers={(DIALING, Alias("other")): FAILED})
    assert said(seen, ca=EckCa.create(now())) == "Nothing that was seen needs it."
