"""What a configuration may say, and what a person should know of it all the same."""

import os
from pathlib import Path

import pytest

from syncd.cli.cautions import cautions
from syncd.config.load import example, parse

CONFIG = example()


def told(folder: Path, *changes: tuple[str, str]) -> list[str]:
    text = CONFIG
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "syncd.yaml"
    return list(cautions(parse(text, path), path))


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a pod nor a unit with credentials."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def test_of_what_is_well_nothing_is_told(tmp_path: Path) -> None:
    for name in ("onprem-api-key", "ssh-key"):
        (tmp_path / name).touch(mode=0o600)
    assert told(tmp_path) == []


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o777])
@pytest.mark.parametrize(
    ("key", "name", "changes"),
    [
        ("elasticsearch.api_key_file", "onprem-api-key", []),
        (
            "elasticsearch.password_file",
            "pass",
            [("api_key_file: onprem-api-key", "password_file: pass\n      username: u")],
        ),
        ("transport.key_file", "ssh-key", []),
        (
            "transport.passphrase_file",
            "phrase",
            [("key_file: ssh-key", "key_file: ssh-key\n      passphrase_file: phrase")],
        ),
        ("remotes[0].credential_file", "remote-key", [("credential_file: null", "credential_file: remote-key")]),
        (
            "nodes[1].layout.keystore_password_file",
            "keystore",
            [("address: 10.0.0.12}", "address: 10.0.0.12, layout: {keystore_password_file: keystore}}")],
        ),
    ],
)
def test_a_secret_that_others_may_read_is_told_with_its_mode_and_the_cure(
    tmp_path: Path, key: str, name: str, changes: list[tuple[str, str]], mode: int
) -> None:
    path = tmp_path / name
    path.touch()
    path.chmod(mode)
    (said,) = told(tmp_path, *changes)
    assert f"onprem: {path} ({key}) has mode {mode:04o}: " in said
    assert said.endswith(f"chmod 0600 {path}")


def test_a_secret_that_its_group_alone_may_read_is_as_packages_leave_it(tmp_path: Path) -> None:
    for name in ("onprem-api-key", "ssh-key"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o640)
    assert told(tmp_path) == []


def test_the_cure_does_not_lock_syncd_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file that is another's its group may be what lets syncd in; a mounted Secret has no mode to change."""
    path = tmp_path / "ssh-key"
    path.touch()
    path.chmod(0o644)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    assert told(tmp_path)[0].endswith(f"chmod 0640 {path}")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert "defaultMode: 0400" in told(tmp_path)[0]


CLUSTERS_URL = ("https://es-02.example:9200", "http://es-02.example:9200")
NODES_URL = ("address: 10.0.0.12}", "address: 10.0.0.12, http_url: 'http://es-02.example:9200'}")


@pytest.mark.parametrize("changes", [(CLUSTERS_URL,), (NODES_URL,), (CLUSTERS_URL, NODES_URL)])
def test_a_credential_that_goes_in_clear_is_told(tmp_path: Path, changes: tuple[tuple[str, str], ...]) -> None:
    (said,) = told(tmp_path, *changes)
    assert "the credential for Elasticsearch goes in clear to http://es-02.example:9200. Use https://" in said


def test_a_memory_that_dies_with_the_pod_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`state.kind` is `file` unless something else is said."""
    said = ("    state: {kind: configmap, namespace: syncd}", "    state: {kind: file}")
    assert told(tmp_path, said) == []
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert told(tmp_path) == []
    (caution,) = told(tmp_path, said)
    assert "/var/lib/syncd/onprem.json" in caution
    assert "kind: configmap" in caution
