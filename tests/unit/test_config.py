"""The configuration: what is right is taken, and a mistake is told so that it can be mended at once."""

import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from traceback import format_exception

import pytest

from syncd.adapters.elasticsearch.client import Client
from syncd.adapters.elasticsearch.settings import ElasticsearchSettings
from syncd.config.live import LiveConfig
from syncd.config.load import example, load, parse, schema
from syncd.config.nodes import Owner
from syncd.config.policy import to_policy
from syncd.config.secrets import secret_path
from syncd.core.errors import ClusterError, ConfigError
from syncd.core.model import RemotePolicy
from syncd.ports import Deadline

ROOT = Path(__file__).parent.parent.parent
GOOD = example()
WHERE = Path("syncd.yaml")


def test_the_shipped_example_is_valid_and_the_one_that_config_init_prints() -> None:
    config = load(ROOT / "config" / "syncd.yaml")
    assert (ROOT / "config" / "syncd.yaml").read_text() == GOOD
    policy = to_policy(config.clusters[0], config.intervals.probe)
    assert policy.observe
    assert policy.nodes[0].path == "/etc/elasticsearch/remote-cluster-ca.crt"
    assert policy.remotes[0].overlap == timedelta(hours=24)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("mode: observe", "mode: watch", "syncd.yaml:10:5: clusters[0].mode: Input should be 'act' or 'observe'"),
        ("overlap: 24h", "overlap: tomorrow", "clusters[0].remotes[0].trust.overlap: a duration such as 10s"),
        ("overlap: 24h", "overlap: 24", "found 24"),
        ("poll: 5s", "pol: 5s", "syncd.yaml:46:5: clusters[0].pol: there is no such key here; is poll meant?"),
        ("poll: 5s", "quux: 5s", "clusters[0].quux: there is no such key here; `syncd config schema` describes"),
        ("poll: 5s", "poll: 99999999999d", "clusters[0].poll: it is too long; a duration such as 10s"),
        ("nodes:    ", "nodes: es-01\n    other:", "clusters[0].nodes: a list is expected (found 'es-01')"),
        ("nodes:    ", "nodes: []\n    other:", "clusters[0].nodes: a list of at least 1 is expected"),
        (
            "transport:",
            "transport: ssh\n    other:",
            "clusters[0].transport: a mapping of keys is expected (found 'ssh')",
        ),
        (
            "kind: ssh",
            "port: 22",
            "syncd.yaml:19:5: clusters[0].transport.kind: it is missing; one of ssh, local is",
        ),
        (
            "kind: ssh",
            "kind: sh",
            "syncd.yaml:20:7: clusters[0].transport.kind: there is no kind sh; one of ssh, local is",
        ),
        (
            "kind: secret",
            "kind: vault",
            "source.kind: there is no kind vault; one of secret, file, none is expected",
        ),
        ("namespace: elastic, ", "", "clusters[0].remotes[0].source.namespace: Field required"),
        ("{name: es-02, address: 10.0.0.12}", "{name: es-01, address: 10.0.0.12}", "node name es-01 is there twice"),
        ("address: 10.0.0.12", "address: 10.0.0.11, port: 22", "syncd.yaml:17:9: clusters[0].nodes[1]: the trust file"),
        (
            "es-02, address: 10.0.0.12",
            "es-02",
            "syncd.yaml:17:9: clusters[0].nodes[1]: transport kind ssh needs an address",
        ),
        ('bundle_dir: "."', 'bundle_dir: "../outside"', "must be a folder below config_dir"),
        ("become: sudo", "become: su", "clusters[0].transport.become"),
        ("      api_key_file: onprem-api-key", "      username: elastic", "belong together"),
        ("listen: 127.0.0.1:9470", "listen: nonsense", "telemetry.listen"),
        ("telemetry:", "clusters: []\ntelemetry:", 'syncd.yaml:49:1: found duplicate key "clusters". Take one'),
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


SECRET = "hunter2-canary"


@pytest.mark.parametrize(
    ("beside", "key", "told"),
    [
        ("      api_key_file: onprem-api-key", "password", "use password_file"),
        ("      api_key_file: onprem-api-key", "api_key", "use api_key_file"),
        ("      api_key_file: onprem-api-key", "Token", "use api_key_file or password_file"),
        ("      user: syncd", "passphrase", "use passphrase_file"),
        ("      user: syncd", "private_key", "use key_file or passphrase_file"),
        ('      bundle_dir: "."', "keystore_password", "use keystore_password_file"),
        ("        credential_file: null", "credential", "use credential_file"),
        ("        credential_file: null", "apikey", "use credential_file"),
        ("          overlap: 24h", "secret", "there is no such key here, and secrets are files, never values"),
        ("  context: null", "token", "there is no such key here, and secrets are files, never values"),
        ("      user: syncd", "userr", "is user meant?"),
        ("      user: syncd", "known_keys_file", "is known_hosts_file meant?"),
    ],
)
def test_the_value_of_an_unknown_key_is_never_shown_and_the_key_that_was_meant_is_told(
    beside: str, key: str, told: str
) -> None:
    """Promise 8: whoever writes a secret into the configuration finds it in no log."""
    indent = beside[: len(beside) - len(beside.lstrip())]
    with pytest.raises(ConfigError) as refused:
        parse(GOOD.replace(beside, f"{indent}{key}: {SECRET}\n{beside}", 1), WHERE)
    assert f".{key}: " in str(refused.value)
    assert told in str(refused.value)
    assert "canary" not in "".join(format_exception(refused.value)), "a traceback shows it neither"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("api_key_file: onprem-api-key", "api_key_file: 4711"),
        ("key_file: ssh-key", "key_file: 4711"),
        ("credential_file: null", "credential_file: 4711"),
        ("credential_file: null", "credential_file: [hunter-4711]"),
        ("ca_file: /etc", "urls2: https://elastic:4711@es:9200\n      ca_file: /etc"),
        ('["https://es-01.example:9200", "https://es-02.example:9200"]', '"https://elastic:4711@es:9200"'),
        ("https://es-02.example:9200", "https://es-02.example:9200/?token=4711"),
    ],
)
def test_a_value_of_the_wrong_type_is_not_shown_where_it_may_be_a_secret(old: str, new: str) -> None:
    """Promise 8."""
    assert old in GOOD
    with pytest.raises(ConfigError) as refused:
        parse(GOOD.replace(old, new, 1), WHERE)
    assert "4711" not in "".join(format_exception(refused.value))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (f"a\n      api_key_file: {SECRET}", 'found duplicate key "api_key_file". Take one of the two out'),
        (f"*{SECRET}", "found undefined alias. Indent by spaces, and put a text that begins with one of * & !"),
        (f"!{SECRET}!x y", "found undefined tag handle"),
        (f"!!bool {SECRET}", "a value is not what its tag (!!) says"),
        (f"x\n      <<: !!set {{{SECRET}}}", "a value is not what its tag (!!) says"),
        (f"!!int {SECRET}", "invalid literal for int() with base 10"),
        (f"!!timestamp {SECRET}", "failed to construct timestamp"),
        (f'"{SECRET}', "expected <block end>, but found"),
        (f"[{SECRET}", "expected ',' or ']'"),
        (f"@{SECRET}", "found character '@' that cannot start any token"),
    ],
)
def test_what_the_parser_quotes_of_the_file_is_not_repeated(value: str, told: str) -> None:
    """Promise 8: a password may begin with a character of YAML's own."""
    with pytest.raises(ConfigError) as refused:
        parse(GOOD.replace("api_key_file: onprem-api-key", f"api_key_file: {value}", 1), WHERE)
    assert told in str(refused.value)
    assert "canary" not in "".join(format_exception(refused.value))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "{name: es-02, address: 10.0.0.12}",
            "{name: es-01, address: 10.0.0.12}",
            "syncd.yaml:17:10: clusters[0].nodes[1].name: the node name es-01 is there twice, first at nodes[0].name",
        ),
        (
            "    proof: auto",
            "      - {alias: eck-prod, source: {kind: none}}\n    proof: auto",
            "syncd.yaml:45:10: clusters[0].remotes[1].alias: the alias eck-prod is there twice, first at remotes[0].alias",
        ),
    ],
)
def test_a_name_that_is_there_twice_is_told_where_it_is_the_second_time(old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as refused:
        parse(GOOD.replace(old, new, 1), WHERE)
    assert str(refused.value).removeprefix(told) == "", refused.value


def test_a_mistake_in_what_an_anchor_brings_is_told_at_its_merge() -> None:
    """A refused change must not end the daemon by its own message."""
    text = GOOD.replace("      - {name: es-02,", "      - &node {name: es-02, prot: 1,").replace(
        "      - {name: es-03,", "      - {<<: *node, name: es-03,"
    )
    with pytest.raises(ConfigError) as refused:
        parse(text, WHERE)
    assert [line.partition(" ")[0] for line in str(refused.value).splitlines()] == [
        "syncd.yaml:17:29:",
        "syncd.yaml:18:9:",
    ]


CERTIFICATE = {"security_model: api_key": "security_model: certificate"}
SOURCE = "source: {kind: secret, namespace: elastic, cluster: quickstart}"
FILE = {SOURCE: "source: {kind: file, path: /etc/ca.crt}"}
NONE = {SOURCE: "source: {kind: none}"}
MANAGED = {"resource: observed": "resource: managed"}
SERVICES = {"resource: observed": "services: [lb]"}
PINS = {"accept: any": f"accept: pinned\n          pins: [{'ab' * 32}]"}
KEY = {"credential_file: null": "credential_file: api-key"}
MIRROR = {"mirror: {name: remote-certs}": "mirror: {name: company-cas}"}


def changed(*changes: dict[str, str]) -> str:
    text = GOOD
    for old, new in (pair for change in changes for pair in change.items()):
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            [{"127.0.0.1:9470": "127.0.0.1:0"}],
            "telemetry.listen: a port from 1 to 65535 is expected (found '127.0.0.1:0')",
        ),
        ([{"127.0.0.1:9470": "127.0.0.1:65536"}], "telemetry.listen: a port from 1 to 65535 is expected"),
        (
            [{"127.0.0.1:9470": '"[::1]:9470"'}],
            "telemetry.listen: telemetry is not served over IPv6: an IPv4 address or",
        ),
        ([{"127.0.0.1:9470": '"::1:9470"'}], "telemetry.listen: telemetry is not served over IPv6"),
        ([{"es-02.example:9200": "es-02.example:99200"}], "elasticsearch.urls[1]: a port from 1 to 65535 is expected"),
        ([{"es-02.example:9200": "es-02.example:http"}], "elasticsearch.urls[1]: a URL of scheme, host and port"),
        (
            [{"10.0.0.12}": '10.0.0.12, http_url: "https://a:0"}'}],
            "nodes[1].http_url: a port from 1 to 65535 is expected",
        ),
        (
            [{SOURCE: f"{SOURCE}\n        address: eck.example:0"}],
            "remotes[0].address: a port from 1 to 65535 is expected",
        ),
        ([{"reread: 60s": "reread: 0s"}], "intervals.reread: a duration of more than 0s is expected (found '0s')"),
        ([{"probe: 60s": "probe: 0ms"}], "intervals.probe: a duration of more than 0s is expected"),
        ([{"nodes: 10m": "nodes: 0m"}], "intervals.nodes: a duration of more than 0s is expected"),
        ([{"nodes: 10m": "nodes: -10m"}], "intervals.nodes: a duration such as 10s"),
        ([{"poll: 5s": "poll: 0s"}], "clusters[0].poll: a duration of more than 0s is expected"),
        ([{"user: syncd": "connect_timeout: 0s"}], "transport.connect_timeout: a duration of more than 0s is expected"),
        ([{"accept: any": "accept: pinned"}], "trust.accept: pinned takes what is among the pins, and there are none"),
        (
            [{"alias: eck-prod": "alias: syncd-proof"}],
            "remotes[0].alias: syncd-proof is made and taken away by the proof",
        ),
        ([CERTIFICATE, KEY], "remotes[0].credential_file: it belongs to security_model api_key"),
        ([MIRROR], "remotes[0].mirror: it belongs to security_model certificate"),
        *(
            (
                [{'bundle_dir: "."': f"file_mode: '{mode}'"}],
                "layout.file_mode: a mode by which only the owner may write",
            )
            for mode in ("0777", "660", "0642")
        ),
        ([FILE, MANAGED], "remotes[0].resource: managed has no effect, as the source names no Elasticsearch resource"),
        ([NONE, SERVICES], "remotes[0].services: it has no effect, as the source names no Elasticsearch resource"),
    ],
)
def test_what_could_not_work_or_would_have_no_effect_is_refused_where_it_is(
    changes: list[dict[str, str]], told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(changed(*changes), WHERE)
    assert told in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        [{"127.0.0.1:9470": "':9470'"}],
        [{"127.0.0.1:9470": "syncd.example:65535"}],
        [{"https://es-02.example:9200": "https://es-02.example"}],
        [{"https://es-02.example:9200": "http://[2001:db8::1]:9200/"}],
        [{SOURCE: f"{SOURCE}\n        address: '[2001:db8::1]:9443'"}],
        [{"poll: 5s": "poll: 200ms"}],
        [{"overlap: 24h": "overlap: 0s"}],
        [PINS],
        [NONE],
        [FILE, KEY],
        [MANAGED, KEY],
        [SERVICES],
        [CERTIFICATE, MIRROR, MANAGED],
        [CERTIFICATE, FILE],
    ],
)
def test_what_works_is_taken(changes: list[dict[str, str]]) -> None:
    """A publicly trusted remote has source kind none; both models have a resource and Services.

    Who has no access to Kubernetes keeps the ConfigMap by hand, and may have the rest done all the same.
    """
    parse(changed(*changes), WHERE)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (
            "{kind: file, path: /var/lib/syncd/edge.json}",
            "{kind: file}",
            "/var/lib/syncd/edge.json is the state of cluster onprem, and so cannot be that of edge: give one of the two",
        ),
        ("{kind: file, path: /srv/state}", "{kind: file, path: /srv//x/../state}", "another path"),
        (
            "{kind: configmap, namespace: syncd}",
            "{kind: configmap, namespace: syncd, name: syncd-onprem}",
            "another name",
        ),
        ("{kind: configmap, namespace: one}", "{kind: configmap, namespace: two, name: syncd-onprem}", ""),
        ("{kind: configmap, namespace: one}", "{kind: configmap, namespace: one}", ""),
        ("{kind: file}", "{kind: file}", ""),
    ],
)
def test_two_clusters_share_no_state(first: str, second: str, told: str) -> None:
    text = GOOD.replace("{kind: configmap, namespace: syncd}", first)
    before, _, rest = text.partition("  - name: onprem\n")
    body, _, after = rest.partition("\ntelemetry:")
    other = body.replace(f"state: {first}", f"state: {second}")
    both = f"{before}  - name: onprem\n{body}\n  - name: edge\n{other}\ntelemetry:{after}"
    if not told:
        parse(both, WHERE)
        return
    with pytest.raises(ConfigError) as refused:
        parse(both, WHERE)
    line = both[: both.rindex("state: {kind")].count("\n") + 1
    assert str(refused.value).startswith(f"syncd.yaml:{line}:5: clusters[1].state: ")
    assert told in str(refused.value)


def test_the_layout_of_a_node_replaces_that_of_the_cluster_key_by_key() -> None:
    of_cluster = (
        "config_dir: /srv/es/config\n      owner: {uid: 1000, gid: 1000}\n      keystore_password_file: keystore"
        "\n      log_file: /var/log/es.log"
    )
    of_node = "address: 10.0.0.12, layout: {home: /opt/es, log_file: null, owner: {uid: 0, gid: 7}}}"
    text = changed({"config_dir: /etc/elasticsearch": of_cluster, "address: 10.0.0.12}": of_node})
    cluster = parse(text, WHERE).clusters[0]
    first, second, third = map(cluster.layout_of, cluster.nodes)
    assert first == third == cluster.layout
    assert (second.home, second.log_file, second.owner) == ("/opt/es", None, Owner(uid=0, gid=7))
    assert second.trust_file == "/srv/es/config/remote-cluster-ca.crt"
    assert second.keystore_password_file == "keystore"
    assert to_policy(cluster, timedelta()).nodes[1].path == second.trust_file


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([{"reload_interval: null": "reload_interval: 1"}], "a time with its unit, such as 1s, is expected (found 1)"),
        (
            [{"reload_interval: null": "reload_interval: 0s"}],
            "a time with its unit, such as 1s, is expected (found '0s')",
        ),
        (
            [{"accept: any": f"pins: ['{':'.join(['AB'] * 32)}']"}],
            "trust.pins[0]: a SHA-256 fingerprint of 64 lower-case hex digits without colons is expected",
        ),
        (
            [{"alias: eck-prod": "alias: eck prod"}],
            "alias: a name of letters, digits and . _ - (these not at its ends)",
        ),
        ([{"name: onprem": "name: 7"}], "else in quotes, is expected (found 7)"),
        ([{"config_dir: /etc/elasticsearch": "config_dir: etc"}], "layout.config_dir: an absolute path is expected"),
        ([{"127.0.0.1:9470": "9470"}], "listen: host:port, such as 127.0.0.1:9470, is expected (found 9470)"),
        ([{'bundle_dir: "."': "file_mode: 640"}], 'an octal mode in quotes, such as "0640", is expected (found 640)'),
        (
            [{"unit: elasticsearch.service": "unit: a b"}],
            "the name of a systemd unit, such as elasticsearch.service, is",
        ),
        ([{SOURCE: f"{SOURCE}\n        address: eck"}], "address: host:port, such as eck.example:9443, is expected"),
        (
            [{"user: syncd": "user: 7"}],
            "a text is expected: put into quotes what YAML reads as something else (found 7)",
        ),
        ([{"    nodes:": "\tnodes:"}], "there is a tab. Indent by spaces"),
    ],
)
def test_what_is_expected_is_said_in_words_and_not_as_a_pattern(changes: list[dict[str, str]], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(changed(*changes), WHERE)
    assert told in str(refused.value)
    assert "pattern" not in str(refused.value)
    assert ".." not in str(refused.value)


def test_the_words_of_a_library_end_with_one_dot_before_the_cure() -> None:
    assert str(ConfigError("x", "No configuration found.", cure="Set it")) == "No configuration found. Set it"


def test_no_key_that_takes_a_pattern_is_without_words_for_it() -> None:
    """pydantic would quote the pattern."""
    sources = "".join(path.read_text() for path in (ROOT / "syncd/config").glob("*.py"))
    assert len(re.findall(r"\bpattern=_", sources)) == len(re.findall(r"\btext_like\(_", sources)) > 5
    assert len(re.findall(r"\bpattern=", sources)) == len(re.findall(r"\bpattern=_", sources))


@pytest.mark.parametrize("folder", [None, "credentials"])
def test_of_a_secret_that_is_not_there_both_places_and_the_way_by_hand_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str | None
) -> None:
    """systemd gives `$CREDENTIALS_DIRECTORY` to its unit, not to who types `syncd check`."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if folder:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", f"/run/{folder}")
    path = secret_path("api-key", tmp_path / "syncd.yaml")
    settings = ElasticsearchSettings(("http://127.0.0.1:1",), None, verify_hostname=True, api_key_file=path)
    with pytest.raises(ClusterError) as refused:
        Client(settings).ask("GET", "http://127.0.0.1:1", "/", Deadline.after(5))
    said = str(refused.value)
    assert str(tmp_path / "api-key") in said
    assert (
        "/run/credentials ($CREDENTIALS_DIRECTORY)" if folder else "$CREDENTIALS_DIRECTORY, which is not set"
    ) in said
    assert "systemd-run" in said
    assert "absolute paths" in said
    Path(path).write_text("not one word")
    with pytest.raises(ClusterError) as refused:
        Client(settings).ask("GET", "http://127.0.0.1:1", "/", Deadline.after(5))
    assert "systemd-run" not in str(refused.value), "it is there, and something else is wrong with it"


def test_all_mistakes_are_told_not_the_first() -> None:
    text = GOOD.replace("mode: observe", "mode: watch").replace("poll: 5s", "poll: soon")
    with pytest.raises(ConfigError) as refused:
        parse(text, WHERE)
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is empty"),
        ("# nothing\n", "it is empty"),
        ("[]", "it is a list, not a mapping of keys"),
        ("just text", "it is one value, not a mapping of keys"),
        ("a: [", "expected"),
        ("a: b: c", "mapping values are not allowed here"),
        ("[" * 700, "nested too deep"),
        ("a: &a {b: *a}", "there is no such key here"),
    ],
)
def test_what_is_no_mapping_is_told(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as refused:
        parse(text, WHERE)
    assert "syncd.yaml" in str(refused.value)


def test_a_missing_file_is_told_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="syncd config init"):
        load(tmp_path / "missing.yaml")


def test_every_key_is_described_in_the_schema() -> None:
    definitions = schema()["$defs"] | {"Config": schema()}
    for name, definition in definitions.items():
        for key, field in definition["properties"].items():
            assert field.get("description") or key == "kind", f"{name}.{key}"


def test_whatever_is_said_of_a_remote_is_read_by_something() -> None:
    """A key that nothing reads promises what does not happen."""
    package = ROOT / "syncd"
    files = [path for path in package.rglob("*.py") if path.relative_to(package).parts[0] != "config"]
    readers = "".join(path.read_text() for path in files)
    assert [key.name for key in fields(RemotePolicy) if not re.search(rf"\.{key.name}\b", readers)] == []


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
    _take(live)
    assert [cluster.mode for cluster in live.current.clusters] == ["act"]
    assert live.refresh() is None


def test_a_change_that_is_of_no_use_is_tried_again_when_a_person_asks_and_is_not_in_force_before(
    tmp_path: Path,
) -> None:
    """What is wrong may be a file that it names: that is mended without a change of the configuration."""
    path = tmp_path / "syncd.yaml"
    path.write_text(GOOD)
    live = LiveConfig(path)
    path.write_text(GOOD.replace("mode: observe", "mode: act"))
    assert live.refresh()
    live.refuse()
    assert [cluster.mode for cluster in live.current.clusters] == ["observe"]
    assert live.refresh() is None, "nothing has changed"
    again = live.refresh(asked=True)
    assert again
    assert again.config
    live.take(again.config)
    assert live.refresh(asked=True) is None


def test_a_refused_change_that_is_taken_back_is_the_configuration_in_force(tmp_path: Path) -> None:
    """So that nothing is begun anew for it, and yet it is told that all is well."""
    path = tmp_path / "syncd.yaml"
    path.write_text(GOOD)
    live = LiveConfig(path)
    for bad in (GOOD.replace("mode: observe", "mode: act"), GOOD.replace("mode: observe", "mode: watch")):
        path.write_text(bad)
        change = live.refresh()
        if change and change.config:
            live.refuse()
        path.write_text(GOOD)
        back = live.refresh()
        assert back
        assert back.config == live.current
        assert live.refresh() is None
    path.write_text(GOOD + "# the same in other words\n")
    assert live.refresh() is None


def _take(live: LiveConfig) -> None:
    change = live.refresh()
    assert change
    assert change.config
    live.take(change.config)


def test_a_key_of_a_nodes_layout_that_is_taken_out_is_a_change_also_where_it_said_the_default(tmp_path: Path) -> None:
    path = tmp_path / "syncd.yaml"
    said = {"address: 10.0.0.12}": "address: 10.0.0.12, layout: {config_dir: /etc/elasticsearch}}"}
    elsewhere = {"config_dir: /etc/elasticsearch": "config_dir: /srv/es"}
    path.write_text(changed(elsewhere, said))
    live = LiveConfig(path)
    path.write_text(changed(elsewhere, {"address: 10.0.0.12}": "address: 10.0.0.12, layout: {}}"}))
    _take(live)
    cluster = live.current.clusters[0]
    assert [cluster.layout_of(node).config_dir for node in cluster.nodes] == ["/srv/es"] * 3


def test_secrets_are_found_in_systemds_credentials_or_beside_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "key").write_text("x")
    assert secret_path("key", Path("/etc/syncd/syncd.yaml")) == str(tmp_path / "key")
    assert secret_path("other", Path("/etc/syncd/syncd.yaml")) == "/etc/syncd/other"
    assert secret_path("/abs", Path("/etc/syncd/syncd.yaml")) == "/abs"
