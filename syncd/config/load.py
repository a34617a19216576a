"""From a YAML file to the model. A mistake names file, line, key and what was expected; all mistakes are told."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from syncd.config.model import Config
from syncd.core.errors import ConfigError

_TAGS = {"ssh", "local", "secret", "file", "none"}
"""Names of union members, which pydantic puts into the location of an error."""
EXAMPLE = Path(__file__).with_name("example.yaml")


def load(path: Path) -> Config:
    """The configuration. Raises ConfigError that lists every mistake."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cure = "Name another file with --config, or make one: syncd config init"
        raise ConfigError("config_unreadable", f"it cannot be read: {error}", where=str(path), cure=cure) from error
    return parse(text, path)


def parse(text: str, path: Path) -> Config:
    """The configuration from its text; `path` is for messages."""
    tree = _tree(text, path)
    try:
        return Config.model_validate(_plain(tree))
    except ValidationError as error:
        problems = error.errors()
        lines = [_line(problem, tree, path) for problem in problems if not _follows(problem, problems)]
        raise ConfigError("config_invalid", "\n".join(lines)) from error


def schema() -> dict[str, Any]:
    """JSON Schema of the configuration."""
    return Config.model_json_schema()


def example() -> str:
    """The commented example."""
    return EXAMPLE.read_text(encoding="utf-8")


def secret_path(name: str, config: Path) -> str:
    """Where a secret file is: absolute as it is, else in `$CREDENTIALS_DIRECTORY`, else beside the configuration."""
    if name.startswith(("/", "~")):
        return str(Path(name).expanduser())
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(folder) / name if folder else None
    return str(credential if credential and credential.exists() else config.parent / name)


def _tree(text: str, path: Path) -> Any:
    try:
        tree = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError("config_yaml", str(error.problem or error), where=where) from error
    except (YAMLError, ValueError) as error:
        raise ConfigError("config_yaml", str(error).splitlines()[0], where=str(path)) from error
    if not isinstance(tree, Mapping):
        text = "it is empty" if tree is None else f"it is a {type(tree).__name__}, not a mapping of keys"
        cure = "A file with comments to start from: syncd config init"
        raise ConfigError("config_yaml", text, where=str(path), cure=cure)
    return tree


def _plain(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {str(key): _plain(value) for key, value in tree.items()}
    return [_plain(value) for value in tree] if isinstance(tree, list) else tree


def _follows(problem: Any, problems: list[Any]) -> bool:
    """Whether a list is only too short because of the mistakes in its items."""
    depth = len(problem["loc"])
    inside = (other for other in problems if other["loc"][:depth] == problem["loc"] and other is not problem)
    return problem["type"] == "too_short" and any(inside)


def _line(problem: Any, tree: Any, path: Path) -> str:
    keys = [key for number, key in enumerate(problem["loc"]) if not _is_tag(key, problem["loc"][:number], tree)]
    name = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    line, column = _position(keys, tree)
    found = problem.get("input")
    shown = f" (found {found!r})" if isinstance(found, str | int | float | bool) else ""
    message = problem["msg"].removeprefix("Value error, ")
    return f"{path}:{line}:{column}: {name or 'the file'}: {message}{shown}"


def _is_tag(key: Any, before: tuple[Any, ...], tree: Any) -> bool:
    """Whether a part of a location is the name of a union member rather than a key of the file."""
    if key not in _TAGS:
        return False
    node = tree
    for part in before:
        if part not in _TAGS:
            node = node[part] if _has(node, part) else None
    return not _has(node, key)


def _position(keys: list[Any], tree: Any) -> tuple[int, int]:
    """Line and column (from 1) of the deepest key of a location that the file has."""
    node, place = tree, (tree.lc.line, tree.lc.col)
    for key in keys:
        if not _has(node, key):
            break
        place = node.lc.item(key) if isinstance(key, int) else node.lc.key(key)
        node = node[key]
    return place[0] + 1, place[1] + 1


def _has(node: Any, key: Any) -> bool:
    if isinstance(node, Mapping):
        return key in node
    return isinstance(node, list) and isinstance(key, int) and key < len(node)
