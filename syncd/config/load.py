"""From a YAML file to the model. A mistake names file, line, key and what was expected; all mistakes are told."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from syncd.config.mistakes import lines
from syncd.config.model import Config
from syncd.core.errors import ConfigError

_DUPLICATE = re.compile(r'found duplicate key "[^"]*"')
_QUOTED = re.compile(r"""'[^']*'?|"[^"]*"?""")
_OWN = re.compile(r"'.?'|'<[a-z ]+>'")
"""What the parser quotes of itself: a single character, or the kind of a token."""
_TAB = "found character '\\t'"
_YAML_CURE = "Indent by spaces, and put a text that begins with one of * & ! @ % { [ into quotes"
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
    tree, plain = _read(text, path)
    try:
        return Config.model_validate(plain)
    except ValidationError as error:
        raise ConfigError("config_invalid", "\n".join(lines(error, Config, tree, path))) from error


def schema() -> dict[str, Any]:
    """JSON Schema of the configuration."""
    return Config.model_json_schema()


def example() -> str:
    """The commented example."""
    return EXAMPLE.read_text(encoding="utf-8")


def _read(text: str, path: Path) -> tuple[Any, Any]:
    """The file with its lines, and the same as plain values."""
    try:
        tree = YAML(typ="rt").load(text)
        plain = _plain(tree)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise _no_yaml(str(error.problem or error), where) from None  # it repeats what it met, which may be a secret
    except (YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:  # it stumbles over odd tags
        raise _no_yaml(str(error), str(path)) from None
    except RecursionError:
        cure = "Compare it with what syncd config init prints"
        raise ConfigError("config_yaml", "it is nested too deep, or holds itself", where=str(path), cure=cure) from None
    if not isinstance(tree, Mapping):
        there = "a list" if isinstance(tree, list) else "one value"
        problem = "it is empty" if tree is None else f"it is {there}, not a mapping of keys"
        cure = "A file with comments to start from: syncd config init"
        raise ConfigError("config_yaml", problem, where=str(path), cure=cure)
    return tree, plain


def _no_yaml(problem: str, where: str) -> ConfigError:
    """The parser's words as far as they are its own: what it quotes of the file may be a secret."""
    problem = problem.partition("\n")[0]
    if _TAB in problem:
        return ConfigError("config_yaml", "there is a tab", where=where, cure="Indent by spaces")
    if key := _DUPLICATE.match(problem):
        return ConfigError("config_yaml", key[0], where=where, cure="Take one of the two out")
    quoted = (found.start() for found in _QUOTED.finditer(problem) if not _OWN.fullmatch(found[0]))
    told = problem[: next(quoted, None)].rstrip(" :") or "a value is not what its tag (!!) says"
    return ConfigError("config_yaml", told, where=where, cure=_YAML_CURE)


def _plain(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {str(key): _plain(value) for key, value in tree.items()}
    return [_plain(value) for value in tree] if isinstance(tree, list) else tree
