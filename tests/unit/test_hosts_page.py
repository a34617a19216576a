"""docs/hosts.md says what syncd needs: each request that it sends to Elasticsearch, and what it starts as root."""

import json
import re
from pathlib import Path

import pytest

from syncd.adapters.ssh import session
from syncd.engine.hosts.tools import Toolbox

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/hosts.md").read_text()
_REQUEST = re.compile(r"[\"']/(?P<path>_[a-z_]+(?:/[a-z_]+)?)")


_FILTERS = {"_nodes/_local": "_nodes", "_nodes/http": "_nodes"}
"""Requests of one privilege that differ in what they ask of the nodes."""


def _requests() -> list[str]:
    """The paths in the adapter's source, without ids and what comes after `?`."""
    files = (ROOT / "syncd/adapters/elasticsearch").glob("*.py")
    found = {match["path"] for file in files for match in _REQUEST.finditer(file.read_text())}
    return sorted({_FILTERS.get(path, path) for path in found})


def test_the_source_is_read_as_it_is_written() -> None:
    assert {"_cluster/settings", "_nodes/reload_secure_settings", "_resolve/cluster"} <= set(_requests())


@pytest.mark.parametrize("path", _requests())
def test_each_request_is_on_the_page_with_the_privilege_that_it_takes(path: str) -> None:
    rows = [line.split(" | ")[0] for line in PAGE.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"_[a-z_]+(?:/[a-z_]+)?", row)}
    assert path in named


def test_the_role_is_json_and_has_the_privileges_of_the_table() -> None:
    role = json.loads(PAGE.split("PUT _security/role/syncd\n")[1].split("```")[0])
    assert role["cluster"] == ["monitor", "manage"]
    assert all(role[part][0]["privileges"] == ["view_index_metadata"] for part in ("indices", "remote_indices"))


@pytest.mark.parametrize("server", session._SFTP_SERVERS)
def test_each_sftp_server_that_is_looked_for_is_on_the_page(server: str) -> None:
    assert f"`{server}`" in PAGE


def test_the_sudoers_file_lets_the_tools_start_as_they_are_called() -> None:
    """In sudoers `=` is escaped within arguments."""
    rules = PAGE.split("# /etc/sudoers.d/syncd")[1].split("```")[0].replace("\\=", "=")
    command, folder, _ = Toolbox().keystore_tool
    assert f"/usr/bin/{command} {folder} *" in rules
    assert f"{Toolbox().keytool[0]} *" in rules
