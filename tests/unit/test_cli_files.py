"""The files that a configuration names: each is listed with where it leads and whether it is of use, never its content."""

from base64 import b64encode
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from syncd.cli.named_files import files_of
from syncd.config.load import load
from syncd.config.model import Config
from tests.unit.test_cli_verbs import Desk

ON_THE_NODES = {"log_file", "own_ca_file"}
SECRET = "a-canary"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def everything(desk: Desk) -> None:
    """A configuration in which every key that names a file is set."""
    ssh = {"kind": "ssh", "key_file": "id", "passphrase_file": "phrase", "known_hosts_file": "hosts"}
    layout = {"keystore_password_file": "own", "config_dir": str(desk.home("onprem", "es-01"))}
    source = {"kind": "file", "path": str(desk.folder / "eck.pem")}
    remote = {
        "alias": "a",
        "source": source,
        "credential_file": "eck.key",
        "extra_ca_files": [str(desk.folder / "x.pem")],
    }
    desk.configure(
        elasticsearch={"urls": ["http://127.0.0.1:1"], "api_key_file": "key", "ca_file": "ca.pem"},
        layout={"keystore_password_file": "shared"},
        nodes=[{"name": "es-01", "address": "127.0.0.1", "layout": layout}],
        transport=ssh,
        remotes=[remote],
    )  # fmt: skip
    whole = desk.config.read_text()
    desk.config.write_text(whole.replace('{"clusters"', '{"kubernetes": {"kubeconfig": "/no/kube"}, "clusters"', 1))


def keys_of_files(model: type[BaseModel]) -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        found |= {name} if name.endswith(("_file", "_files", "kubeconfig")) else set()
        found |= {key for each in models_in(field.annotation) for key in keys_of_files(each)}
    return found - ON_THE_NODES


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def test_every_key_that_names_a_file_is_looked_after(desk: Desk) -> None:
    everything(desk)
    listed = {file.key.rpartition(".")[2].partition("[")[0] for file in files_of(load(desk.config), desk.config)}
    assert keys_of_files(Config) - {"password_file"} <= listed, "a user's password stands for an API key"
    desk.configure(elasticsearch={"urls": ["http://127.0.0.1:1"], "username": "u", "password_file": "pass"})
    assert "elasticsearch.password_file" in {f.key.partition(".")[2] for f in files_of(load(desk.config), desk.config)}


def test_each_file_is_listed_and_only_with_files_is_a_missing_one_an_error(desk: Desk) -> None:
    everything(desk)
    (desk.folder / "hosts").mkdir()
    code, said = desk.types("config", "validate")
    assert code == 0
    assert f"  clusters[0].elasticsearch.api_key_file: {desk.folder / 'key'}: there" in said
    assert f"  warning: clusters[0].remotes[0].credential_file: {desk.folder / 'eck.key'}: missing" in said
    assert f"  warning: clusters[0].transport.known_hosts_file: {desk.folder / 'hosts'}: not readable" in said
    assert "  warning: kubernetes.kubeconfig: /no/kube: missing" in said
    assert f"clusters[0].nodes[0].layout.keystore_password_file: {desk.folder / 'own'}" in said
    assert desk.types("config", "validate", "--files")[0] == 2
    desk.configure()
    assert desk.types("config", "validate", "--files")[0] == 0


@pytest.mark.parametrize(
    "encoded", [b"id:" + SECRET.encode(), b64encode(SECRET.encode()), b64encode(b":" + SECRET.encode())]
)
def test_a_credential_of_another_form_is_wrong_and_is_not_shown(desk: Desk, encoded: bytes) -> None:
    (desk.folder / "key").write_bytes(encoded + b"\n")
    _, said = desk.types("check")
    assert f"{desk.folder / 'key'} is not base64 of id:key" in said
    assert SECRET not in said
    assert encoded.decode() not in said


def test_a_credential_that_is_missing_is_a_line_of_check_with_its_path(desk: Desk) -> None:
    (desk.folder / "key").unlink()
    _, said = desk.types("check")
    assert (
        f"  WRONG    elasticsearch.api_key_file can be read: {desk.folder / 'key'} is missing\n           cure: "
        in said
    )
    (desk.folder / "key").write_bytes(b64encode(b"id:key") + b"\n")
    _, said = desk.types("check")
    assert f"  ok       elasticsearch.api_key_file can be read: {desk.folder / 'key'}" in said
    assert "is not base64" not in said
