"""What a tree means to Elasticsearch.

All of it was checked against `Settings.Builder.loadFromPath` of Elasticsearch 8.14.3 and 8.19.21 (Jackson on SnakeYAML),
which tests/bed/test_yml.py repeats. What one would not expect there: values keep their spelling (`1_000`, `0x1F`), but a
plain yes, no, on, off, true or false outside of a list becomes true or false; an alias is the *name* of its anchor; a
setting without a value, or null, keeps the node from starting; `key.0`, `key.1` make a list; of a flat and a nested key
of one path the last silently wins, and `!tags` do odd things; both are refused here, since a person would have to guess.
"""

from collections.abc import Mapping as Keyed
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from syncd.core.errors import YmlError
from syncd.core.yml.lines import place
from syncd.core.yml.tree import Alias, Document, Mapping, Pair, Scalar, Sequence, parse

Value: TypeAlias = str | tuple[str, ...]
"""A value, or a list that is written as a list. A list may also be written as one value with commas: `items`."""

BOM = "\ufeff"
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    spelling: meaning
    for meaning, words in (("true", ("yes", "on", "true")), ("false", ("no", "off", "false")))
    for word in words
    for spelling in (word, word.capitalize(), word.upper())
}
_JAVA_BLANKS = "".join(map(chr, range(0x21)))
"""What Java's `trim` takes off."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a file: full path to value."""

    values: Keyed[str, Value] = field(repr=False)  # some hold passwords

    def get(self, path: str) -> Value | None:
        """The value as it is written, or None."""
        return self.values.get(path)

    def items(self, path: str) -> tuple[str, ...]:
        """What a list setting of this path holds; nothing when it is not set."""
        return as_items(self.values.get(path, ()))


@dataclass(frozen=True, slots=True)
class Entry:
    """A setting and where it is written."""

    value: Value
    pair: Pair | None
    """None for a list that is spread over `key.0`, `key.1`."""
    above: tuple[Mapping, ...]
    """The mappings that it is in, outermost first."""


def read(text: str) -> Settings:
    """The settings as Elasticsearch reads them; `${ENV}` stays as it is.

    Raises YmlError: `yaml` (with line and column), `tab`, `not_a_mapping`, `many_documents`, `duplicate_key`,
    `null_value`, `not_a_setting`.
    """
    return meaning(entries(parse(text.removeprefix(BOM))))


def names_file(text: str, path: str) -> bool:
    """Whether any setting names a file, by its path or by its name alone; a text that cannot be read may do so."""
    try:
        values = read(text).values.values()
    except YmlError:
        return True
    items = (item for value in values for item in as_items(value))
    return any(item.rpartition("/")[2] == path.rpartition("/")[2] for item in items)


def meaning(found: Keyed[str, Entry]) -> Settings:
    """The settings without their places."""
    return Settings(MappingProxyType({path: entry.value for path, entry in found.items()}))


def entries(document: Document) -> dict[str, Entry]:
    """Each setting with its place. Raises YmlError as `read` does."""
    found: dict[str, Entry] = {}
    if document.root:
        _Walk(document.text, found).mapping(document.root, "", ())
    return _with_numbered_lists(document.text, found)


def as_items(value: Value) -> tuple[str, ...]:
    """A value as a list setting takes it (`Settings.getAsList`): commas part items, empty ends are dropped."""
    if isinstance(value, tuple):
        return value
    pieces = value.split(",")
    while pieces and not pieces[-1]:
        pieces.pop()
    return tuple(piece.strip(_JAVA_BLANKS) for piece in pieces)


class _Walk:
    """Collects the settings of a tree."""

    def __init__(self, text: str, found: dict[str, Entry]) -> None:
        self._text = text
        self._found = found

    def mapping(self, mapping: Mapping, prefix: str, above: tuple[Mapping, ...]) -> None:
        within = (*above, mapping)
        seen: dict[str, Scalar] = {}
        for pair in mapping.pairs:
            path = prefix + pair.key.text
            if pair.key.text in seen:
                raise duplicate(self._text, path, seen[pair.key.text], pair.key)
            seen[pair.key.text] = pair.key
            if isinstance(pair.value, Mapping):
                self.mapping(pair.value, path + ".", within)
            else:
                self._setting(path, pair, pair.value, within)

    def _setting(self, path: str, pair: Pair, value: Scalar | Alias | Sequence, above: tuple[Mapping, ...]) -> None:
        earlier = self._found.get(path)
        if earlier and earlier.pair:
            raise duplicate(self._text, path, earlier.pair.key, pair.key)
        if isinstance(value, Sequence):
            read: Value = tuple(self._word(path, item) for item in value.items)
        else:
            read = self._word(path, value)
            if isinstance(value, Scalar) and not value.quote:
                read = _BOOLEANS.get(read, read)
        self._found[path] = Entry(read, pair, above)

    def _word(self, path: str, node: Scalar | Alias) -> str:
        if isinstance(node, Alias):
            return node.name
        if node.text in _NULLS and not node.quote:
            cure = "Give it a value or take the line out: Elasticsearch does not start with it"
            raise YmlError("null_value", f"{path} has no value", where=place(self._text, node.start), cure=cure)
        return node.text


def duplicate(text: str, path: str, first: Scalar, second: Scalar) -> YmlError:
    """One setting is there twice."""
    here, there = place(text, first.start), place(text, second.start)
    return YmlError("duplicate_key", f"{path} is there twice", where=f"{here} and {there}", cure="Take one of them out")


def _with_numbered_lists(text: str, found: dict[str, Entry]) -> dict[str, Entry]:
    """`key.0`, `key.1`, ... become the list `key`, as `Settings.Builder.processLegacyLists` does."""
    for first in [path for path in found if path.endswith(".0")]:
        name = first.removesuffix(".0")
        head = found[first].pair
        earlier = found.get(name)
        if earlier and earlier.pair and head:
            raise duplicate(text, name, earlier.pair.key, head.key)
        parts: list[str] = []
        while (path := f"{name}.{len(parts)}") in found:
            part = found.pop(path).value
            parts.append(part if isinstance(part, str) else f"[{', '.join(part)}]")
        found[name] = Entry(tuple(parts), None, ())
    return found
