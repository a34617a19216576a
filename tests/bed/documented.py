"""What the documents tell people to allow and to write, as it stands there: the bed allows syncd nothing else."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_DOCS = Path(__file__).parents[2] / "docs"
_PAGE, _RESTARTS = _DOCS / "hosts.md", _DOCS / "restarts.md"
_OLD_RELOAD = (8, 16)
_FOLDER = r"/usr/bin/env ES_PATH_CONF\=/etc/elasticsearch *"


def sudoers(folders: Sequence[str]) -> str:
    """The sudoers file, for nodes with these config directories. Raises ValueError if the page has none that names one."""
    text = _block("# /etc/sudoers.d/syncd")
    if text.count(_FOLDER) != 1:
        raise ValueError(f"the sudoers file in {_PAGE} does not allow {_FOLDER}")
    rules = (_FOLDER.replace("/etc/elasticsearch", folder) for folder in folders)
    return "#" + text.replace(_FOLDER, ", ".join(rules))


def api_key(ask: Callable[[str, str, object], Any], version: str) -> str:
    """An API key with the documented role and nothing else, encoded. `ask` sends a request as an administrator."""
    role = json.loads(_block("PUT _security/role/syncd\n"))
    if tuple(map(int, version.split("."))) < _OLD_RELOAD:
        role["cluster"].append("manage_security")  # as the page says
    body = {"name": "syncd", "role_descriptors": {"syncd": role}}
    encoded: str = ask("POST", "/_security/api_key", body)["encoded"]
    return encoded


def without_root() -> list[str]:
    """The commands by which an account without root may keep the trust files."""
    return [line for line in _block("For the second row:\n\n```\n").splitlines() if line]


def of_its_user(unit: str) -> tuple[str, dict[str, list[str]]]:
    """The line in sudoers by which Elasticsearch's own user restarts a unit, and the commands in the configuration."""
    line = _block("# /etc/sudoers.d/syncd-restart\n", _RESTARTS).replace("elasticsearch.service", unit)
    said = YAML(typ="safe").load(_block("```yaml\nservice:", _RESTARTS).replace("elasticsearch.service", unit))
    return line, said


def of_an_archive(folder: str, home: str, config: str) -> dict[str, str]:
    """The scripts that restart an archive and tell whether it runs, by their names; the process is noted in `folder`."""
    names = ("restart.sh", "status.sh")
    texts = {name: f"#!/bin/sh\n{_block(f'# /opt/es/{name}', _RESTARTS)}" for name in names}
    places = {"/opt/es/": f"{folder}/", "/opt/elasticsearch/config": config, "/opt/elasticsearch": home}
    for documented, here in places.items():
        texts = {name: text.replace(documented, here) for name, text in texts.items()}
    return texts


def rules(namespace: str, *roles: str) -> list[dict[str, Any]]:
    """The rules of Roles in Kubernetes. Raises KeyError for one that the page does not have."""
    blocks = (_DOCS / "kubernetes.md").read_text().split("```yaml\n")[1:]
    bodies = [YAML(typ="safe").load(block.split("```")[0]) for block in blocks]
    found = {body["metadata"]["name"]: body["rules"] for body in bodies if body["metadata"]["namespace"] == namespace}
    return [rule for role in roles for rule in found[role]]


def _block(begin: str, page: Path = _PAGE) -> str:
    """From a line to the end of its block, without the line's beginning."""
    _, found, rest = page.read_text().partition(begin)
    if not found:
        raise ValueError(f"{page} has no block {begin!r}")
    return rest.split("```")[0]
