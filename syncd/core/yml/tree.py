"""Text to a tree that knows where each of its parts stands.

Positions are indices into the text, in characters. libyaml counts characters too (not bytes, and CR LF as two), which
its marks were checked for; only a BOM it leaves out, so that one is taken off before.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import yaml

from syncd.core.errors import YmlError
from syncd.core.yml.lines import place

Loader: TypeAlias = type[yaml.SafeLoader] | type[yaml.CSafeLoader]
LOADER: Loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
"""libyaml's where PyYAML has it: about ten times as fast."""

_DEPTH = 50
"""More levels than any settings have; ends what was made to exhaust the stack."""
_NO_SPACE = re.compile(r"\S")
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#.*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Node:
    """What all parts have: [start, end) with its anchor, without the blank lines and comments that follow."""

    start: int
    end: int
    anchor: str | None


@dataclass(frozen=True, slots=True)
class Scalar(Node):
    """One value, as it reads before anybody gives it a type."""

    text: str
    quote: str
    """`""` when plain, else one of ' " | >."""


@dataclass(frozen=True, slots=True)
class Alias(Node):
    """`*name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Sequence(Node):
    """A list: `[a, b]` when `flow`, else one line for each item."""

    items: tuple[Scalar | Alias, ...]
    flow: bool


@dataclass(frozen=True, slots=True)
class Mapping(Node):
    """Keys and their values: `{a: 1}` when `flow`, else lines."""

    pairs: tuple["Pair", ...]
    flow: bool


Content: TypeAlias = Scalar | Alias | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Pair:
    """A key and its value."""

    key: Scalar
    value: Content


@dataclass(frozen=True, slots=True)
class Document:
    """The one document of a file."""

    text: str
    root: Mapping | None
    """None when the file is empty or holds comments only."""
    end: int
    """Where the document ends: the `...`, else the end of the text."""
    aliased: frozenset[str]
    """The names of the anchors that something refers to."""


@lru_cache(maxsize=4)  # pure; a text is read again and again while it is edited, and the next text then
def parse(text: str, loader: Loader = LOADER) -> Document:
    """The tree of a text without BOM.

    Raises YmlError `yaml`, `tab`, `many_documents`, `not_a_mapping`, `not_a_setting`.
    """
    events = _events(text, loader)
    starts = [event for event in events if isinstance(event, yaml.DocumentStartEvent)]
    if not starts:
        return Document(text, None, len(text), frozenset())
    if len(starts) > 1:
        where = place(text, _span(starts[1])[0])
        raise YmlError("many_documents", "there is a second YAML document", where=where, cure="Take out the `---`")
    return _document(text, events)


def _events(text: str, loader: Loader) -> list[yaml.Event]:
    try:
        events: list[yaml.Event] = list(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        raise _broken(text, error) from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:  # the reader's: a character that YAML does not allow
        cure = "Take out control characters and what is not UTF-8"
        raise YmlError("yaml", "it holds a character that YAML does not allow", cure=cure) from error
    if "\t" in text:
        _refuse_tabs(text, events)
    return events


def _span(event: yaml.Event) -> tuple[int, int]:
    if event.start_mark is None or event.end_mark is None:
        raise AssertionError  # the parsers mark every event
    return event.start_mark.index, event.end_mark.index


def _broken(text: str, error: yaml.MarkedYAMLError) -> YmlError:
    at = error.problem_mark.index if error.problem_mark else len(text)
    if text[at : at + 1] == "\t":
        return _tab(text, at)
    what = ", ".join(part for part in (error.context, error.problem) if part)
    return YmlError("yaml", f"it is not YAML ({what})", where=place(text, at), cure="Mend that line")


def _tab(text: str, at: int) -> YmlError:
    return YmlError("tab", "there is a tab where YAML wants spaces", where=place(text, at), cure="Put spaces there")


def _refuse_tabs(text: str, events: list[yaml.Event]) -> None:
    """SnakeYAML takes a tab only inside of values and comments, and after a plain value; libyaml is milder."""
    mask = list(text)
    for event in events:
        if isinstance(event, yaml.ScalarEvent):
            start, end = _span(event)
            while not event.style and text[end : end + 1] in {" ", "\t"}:
                end += 1
            mask[start:end] = _NO_SPACE.sub("x", text[start:end]).replace("\t", " ")
    at = _COMMENT.sub(lambda found: "#" * len(found[0]), "".join(mask)).find("\t")
    if at >= 0:
        raise _tab(text, at)


def _document(text: str, events: list[yaml.Event]) -> Document:
    stream = (event for event in events if isinstance(event, (yaml.NodeEvent, yaml.CollectionEndEvent)))
    root = _Builder(text, stream).node(next(stream), 0)
    if not isinstance(root, Mapping):
        cure = "Settings are lines of `name: value`"
        raise YmlError(
            "not_a_mapping", "it holds something else than settings", where=place(text, root.start), cure=cure
        )
    last = next(event for event in events if isinstance(event, yaml.DocumentEndEvent))
    names = frozenset(event.anchor for event in events if isinstance(event, yaml.AliasEvent) and event.anchor)
    return Document(text, root, _span(last)[0] if last.explicit else len(text), names)


class _Builder:
    """Makes nodes of the events of one document."""

    def __init__(self, text: str, events: Iterator[yaml.Event]) -> None:
        self._text = text
        self._events = events

    def node(self, event: yaml.Event, depth: int) -> Content:
        start, end = _span(event)
        anchor = getattr(event, "anchor", None)
        if depth > _DEPTH:
            raise self._not_a_setting(start, f"more than {_DEPTH} levels")
        if getattr(event, "tag", None):
            raise self._not_a_setting(start, "a tag (!)")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            items, close = self._items(depth)
            return Sequence(start, self._close(event, close, items[-1:]), anchor, items, bool(event.flow_style))
        if isinstance(event, yaml.MappingStartEvent):
            pairs, close = self._pairs(depth)
            lasts = tuple(pair.value for pair in pairs[-1:])
            return Mapping(start, self._close(event, close, lasts), anchor, pairs, bool(event.flow_style))
        return Alias(start, end, None, str(anchor))

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        start, end = _span(event)
        if event.style in {"|", ">"}:  # their end is where the next thing begins
            end = start + len(self._text[start:end].rstrip())
        return Scalar(start, end, event.anchor, event.value, event.style or "")

    def _items(self, depth: int) -> tuple[tuple[Scalar | Alias, ...], yaml.Event]:
        items: list[Scalar | Alias] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                return tuple(items), event
            item = self.node(event, depth + 1)
            if not isinstance(item, (Scalar, Alias)):
                raise self._not_a_setting(item.start, "a list that holds more than values")
            items.append(item)
        raise AssertionError  # every sequence that the parser starts it ends

    def _pairs(self, depth: int) -> tuple[tuple[Pair, ...], yaml.Event]:
        pairs: list[Pair] = []
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                return tuple(pairs), event
            key = self.node(event, depth + 1)
            if not isinstance(key, Scalar):
                raise self._not_a_setting(key.start, "a key that is no plain name")
            pairs.append(Pair(key, self.node(next(self._events), depth + 1)))
        raise AssertionError  # as above

    @staticmethod
    def _close(event: yaml.CollectionStartEvent, close: yaml.Event, lasts: tuple[Content, ...]) -> int:
        """Where a collection really ends; of one that is made of lines, the parser's mark is where the next begins."""
        if event.flow_style or not lasts:
            return _span(close)[1]
        return lasts[0].end

    def _not_a_setting(self, at: int, what: str) -> YmlError:
        cure = "Elasticsearch takes names with values or lists of values only"
        return YmlError("not_a_setting", f"there is {what}", where=place(self._text, at), cure=cure)
