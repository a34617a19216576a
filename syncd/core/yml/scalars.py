"""Values as YAML text that reads back as the same value, whoever reads it: Elasticsearch, Ansible, a person."""

import re
from collections.abc import Iterable

import yaml

_PLAIN = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_./@+-]*")
_CANONICAL = re.compile(r"true|false|0|[1-9][0-9]*")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BMP = 0xFFFF


def write(value: str, quote: str = "") -> str:
    """One value, with the quotes that were there before if it can be said in them."""
    if quote not in {'"', "'"} and _is_plain(value):
        return value
    simple = value.isprintable()
    if simple and (quote == "'" or (quote != '"' and ("\\" in value or '"' in value))):
        return "'" + value.replace("'", "''") + "'"
    return '"' + "".join(map(_escaped, value)) + '"'


def write_list(values: Iterable[str], quote: str = "") -> str:
    """A list on one line."""
    return "[" + ", ".join(write(value, quote) for value in values) + "]"


def _is_plain(value: str) -> bool:
    """Whether nobody takes the bare word for something else: a number (`0123`), a date, a truth (`yes`), null."""
    if not _PLAIN.fullmatch(value):
        return False
    kinds = yaml.SafeLoader.yaml_implicit_resolvers.get(value[0], ())
    return _CANONICAL.fullmatch(value) is not None or not any(pattern.match(value) for _, pattern in kinds)


def _escaped(char: str) -> str:
    if char in _ESCAPES or char.isprintable():
        return _ESCAPES.get(char, char)
    return f"\\u{ord(char):04x}" if ord(char) <= _BMP else f"\\U{ord(char):08x}"
