"""The configuration: what is right is taken, and a mistake is told so that it can be mended at once."""

from datetime import timedelta
from pathlib import Path

import pytest

from syncd.config.live import LiveConfig
from syncd.config.load import example, load, parse, schema, secret_path
from syncd.config.model import MANAGED_FILE
from syncd.config.policy import to_policy
from syncd.core.errors import ConfigError

ROOT = Path(__file__).parent.parent.parent
GOOD = example()
WHERE = Path("syncd.yaml")


def test_the_shipped_example_is_valid_and_the_one_that_config_init_prints() -> None:
    config = load(ROOT / "config" / "syncd.yaml")
    assert (ROOT / "config" / "syncd.yaml").read_text() == GOOD
    policy = to_policy(config.clusters[0], config.intervals.probe)
    assert policy.observe
    assert policy.nodes[0].path == f"/etc/elasticsearch/{MANAGED_FILE}"
    assert policy.remotes[0].overlap == timedelta(hours=24)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("mode: observe", "mode: watch", "syncd.yaml:10:5: clusters[0].mode: Input should be 'act' or 'observe'"),
        ("overlap: 24h", "overlap: tomorrow", "clusters[0].remotes[0].trust.overlap: a duration such as 10s"),
        ("overlap: 24h", "overlap: 24", "found 24"),
        ("poll: 5s", "pol: 5s", "clusters[0].pol: Extra inputs are not permitted"),
        ("namespace: elastic, ", "", "clusters[0].remotes[0].source.namespace: Field required"),
        ("{name: es-02, address: 10.0.0.12}", "{name: es-01, address: 10.0.0.12}", "node name es-01 is there twice"),
        ("address: 10.0.0.12", "address: 10.0.0.11, port: 22", "trust file"),
        ('bundle_dir: "."', 'bundle_dir: "../outside"', "must be a folder below config_dir"),
        ("become: sudo", "become: su", "clusters[0].transport.become"),
        ("      api_key_file: onprem-api-key", "      username: elastic", "belong together"),
        ("listen: 127.0.0.1:9470", "listen: nonsense", "telemetry.listen"),
        ("telemetry:", "clusters: []\ntelemetry:", "duplicate key"),
        ("    nodes:", "\tnodes:", "syncd.yaml:"),
    ],
)
def test_a_mistake_names_file_line_key_and_what_was_expected(old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as refused:
        parse(GOOD.replace(old, new, 1), WHERE)
    assert told in str(refused.value)
    assert "syncd.yaml:" in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://es-01.example:9200", "https://elastic:canary@es-01.example:9200"),
        ("address: 10.0.0.11}", 'address: 10.0.0.11, http_url: "https://elastic:canary@es-01:9200"}'),
    ],
)
def test_a_url_with_a_credential_is_refused_without_repeating_it(old: str, new: str) -> None:
    """Promise 8."""
    assert old in GOOD
    with pytest.raises(ConfigError, match="must hold no credential") as refused:
        parse(GOOD.replace(old, new, 1), WHERE)
    assert "canary" not in str(refused.value)


def test_all_mistakes_are_told_not_the_first() -> None:
    text = GOOD.replace("mode: observe", "mode: watch").replace("poll: 5s", "poll: soon")
    with pytest.raises(ConfigError) as refused:
        parse(text, WHERE)
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]", "just text", "a: [", "a: b: c"])
def test_what_is_no_mapping_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match=r"syncd\.yaml"):
        parse(text, WHERE)


def test_a_missing_file_is_told_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="syncd config init"):
        load(tmp_path / "missing.yaml")


def test_every_key_is_described_in_the_schema() -> None:
    definitions = schema()["$defs"] | {"Config": schema()}
    for name, definition in definitions.items():
        for key, field in definition["properties"].items():
            assert field.get("description") or key == "kind", f"{name}.{key}"


def test_a_running_daemon_takes_a_valid_change_and_refuses_an_invalid_one(tmp_path: Path) -> None:
    path = tmp_path / "syncd.yaml"
    path.write_text(GOOD)
    live = LiveConfig(path)
    assert live.refresh() is None
    path.write_text(GOOD.replace("mode: observe", "mode: watch"))
    refused = live.refresh()
    assert refused
    assert (refused.config, live.refused) == (None, 1)
    assert "clusters[0].mode" in refused.error
    assert [cluster.mode for cluster in live.current.clusters] == ["observe"]
    assert live.refresh() is None, "the same mistake is told and counted once"
    path.write_text(GOOD.replace("mode: observe", "mode: act"))
    taken = live.refresh()
    assert taken
    assert taken.config
    assert [cluster.mode for cluster in live.current.clusters] == ["act"]


def test_secrets_are_found_in_systemds_credentials_or_beside_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "key").write_text("x")
    assert secret_path("key", Path("/etc/syncd/syncd.yaml")) == str(tmp_path / "key")
    assert secret_path("other", Path("/etc/syncd/syncd.yaml")) == "/etc/syncd/other"
    assert secret_path("/abs", Path("/etc/syncd/syncd.yaml")) == "/abs"
