"""What a person reads before a CA is trusted, a remote is left, a cluster taken over: all that is known, and what is not."""

from dataclasses import replace
from pathlib import Path

import pytest

from syncd.cli.consent import approve_text, owner_text
from syncd.cli.leaving import forget_text
from syncd.cli.wiring import Wired, Wiring
from syncd.core.model import Alias, Known, NodeSeen, Observed, Policy, RemotePolicy, Report, Site, Unknown, YmlState
from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.fakes.world import ALIAS, FILE, NAMES, YML_TEXT, Bench, Syncd
from tests.unit.test_cli_verbs import CA, Desk

FAILED = Unknown("host_unreachable", "connection refused", now())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    syncd = Syncd(Bench(tmp_path_factory.mktemp("bench")))
    made = syncd.turn(4)
    syncd.end()
    return made


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """What the configuration is once the remote was taken out of it."""
    return Bench(tmp_path_factory.mktemp("other")).world(remotes=()).policy


def with_yml(report: Report) -> Observed:
    """Each node's elasticsearch.yml names the trust file."""

    def named(node: NodeSeen) -> NodeSeen:
        assert isinstance(node.site, Known)
        assert isinstance(node.site.value.yml, Known)
        yml: YmlState = replace(node.site.value.yml.value, text=YML_TEXT.decode())
        site: Site = replace(node.site.value, yml=Known(yml, now()))
        return replace(node, site=Known(site, now()))

    return replace(report.seen, nodes={name: named(node) for name, node in report.seen.nodes.items()})


def test_all_that_is_taken_away_of_the_last_remote_is_listed(report: Report, without: Policy) -> None:
    said = list(forget_text(ALIAS, without, with_yml(report)))
    text = "\n".join(said)
    everywhere = ", ".join(NAMES)
    published = report.seen.remotes[ALIAS].published
    assert isinstance(published, Known)
    assert f"cluster.remote.{ALIAS}.* out of the cluster's settings" in text
    assert f"cluster.remote.{ALIAS}.credentials out of the keystores of {everywhere}" in text
    assert f"{published.value.ca.short} ({published.value.ca.subject}) out of the trust files of {everywhere}" in text
    assert f"out of elasticsearch.yml, with a ROLLING RESTART of {everywhere}" in text
    assert [line for line in said if f"the file {FILE} of " in line]
    assert "not known" not in text


def test_the_file_and_its_name_stay_as_long_as_another_remote_uses_them(report: Report, without: Policy) -> None:
    policy = replace(without, remotes=(RemotePolicy(Alias("other")),))
    text = "\n".join(forget_text(ALIAS, policy, with_yml(report)))
    assert "RESTART" not in text
    assert FILE not in text
    assert f"cluster.remote.{ALIAS}.* out of" in text


def test_what_cannot_be_asked_is_said_not_to_be_known(report: Report, without: Policy) -> None:
    node = replace(
        report.seen.nodes[NAMES[0]], process=FAILED, links={}, files=dict.fromkeys(without.nodes[0].paths, FAILED)
    )
    text = "\n".join(forget_text(Alias("old"), without, replace(report.seen, nodes={NAMES[0]: node})))
    assert "Nothing is known of old" in text
    assert f"not known whether {NAMES[0]} uses it: connection refused" in text
    assert f"trust file of {NAMES[0]} holds: connection refused" in text


def test_a_ca_is_shown_whole_with_how_to_compare_it(report: Report) -> None:
    remote = report.seen.remotes[ALIAS]
    assert isinstance(remote.published, Known)
    cert = remote.published.value.ca
    text = "\n".join(approve_text(cert, report.seen))
    assert cert.fingerprint in text
    assert f"{cert.subject}, valid {cert.not_before:%Y-%m-%d} to {cert.not_after:%Y-%m-%d}" in text
    assert f"published by {ALIAS}" in text
    assert f"openssl s_client -connect {remote.presented[0].address} -showcerts" in text
    unseen = replace(report.seen, remotes={ALIAS: replace(remote, presented=())})
    assert "-connect HOST:9300 -showcerts" in "\n".join(approve_text(cert, unseen))
    assert "no remote publishes it" in "\n".join(approve_text(EckCa.create(now()).cert, report.seen))


def test_the_keeper_is_named_before_a_cluster_is_taken_over(report: Report) -> None:
    assert isinstance(report.seen.cluster, Known)
    kept = replace(report.seen, cluster=Known(replace(report.seen.cluster.value, owner="somebody"), now()))
    assert "somebody keeps it. If that one still runs, stop it first" in "".join(owner_text(kept, "onprem", "us"))
    assert "this syncd (somebody) keeps it already" in "".join(owner_text(kept, "onprem", "somebody"))
    away = replace(report.seen, cluster=FAILED)
    assert "cannot be asked now" in "".join(owner_text(away, "onprem", "us"))


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("approve", CA.cert.short), CA.cert.fingerprint),
        (("take-over",), "who keeps it cannot be asked now"),
        (("forget", "old"), "Nothing is known of old"),
    ],
)
def test_a_person_reads_it_and_is_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...], told: str
) -> None:
    prompts: list[str] = []

    def no(text: str, **_: object) -> None:
        prompts.append(text)
        raise KeyboardInterrupt

    monkeypatch.setattr("typer.confirm", no)
    code, said = desk.types(*argv)
    assert code != 0
    assert told in said
    assert len(prompts) == 1
    assert not desk.memory().requests


def test_a_cluster_is_taken_over_and_where_the_owner_is_seen_is_told(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "bench")
    bench.es.keeper = "somebody"
    monkeypatch.setattr(Wiring, "cluster", lambda *_: Wired(bench.world(), ()))
    code, said = desk.types("take-over", "onprem", "--yes")
    assert code == 0
    assert "onprem: somebody keeps it." in said
    assert "syncd status shows the owner" in said
    assert bench.es.keeper == bench.permit.owner
