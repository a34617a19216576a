"""Settings put into a text, and taken out: splices that are proven by reading the result.

Whatever a splice may do wrong, an edit that would change another setting never leaves this module.
"""

import json
import re
from collections.abc import Mapping as Keyed
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from syncd.core.errors import YmlError
from syncd.core.yml.lines import Splice, place, spliced
from syncd.core.yml.lists import list_to_list, refuse_comments, scalar_to_list
from syncd.core.yml.marks import lines_of_ours
from syncd.core.yml.scalars import write, write_list
from syncd.core.yml.settings import BOM, Entry, Value, as_items, entries, meaning, read
from syncd.core.yml.takeout import taken_out
from syncd.core.yml.tree import Alias, Document, Node, Scalar, Sequence, parse

Wanted: TypeAlias = Keyed[str, str | tuple[str, ...] | None]
"""Full path to what it should be: one value, a list, or not there (None)."""

_COLON = re.compile(r"[ \t]*:")


@dataclass(frozen=True, slots=True)
class _File:
    """A text that was read."""

    document: Document
    entries: dict[str, Entry]

    @property
    def text(self) -> str:
        return self.document.text


def with_settings(text: str, wanted: Wanted) -> str:
    """The text in which exactly the wanted settings are as wanted, and every other byte is as it was.

    What is there already is not touched; a value is replaced in place; a new key comes as a flat dotted line after the
    others of ours, or at the end under `# managed by syncd`, which goes with the last of them.

    Raises YmlError as `read` does, and `shared_anchor`, `two_trusts`, `flow_root`, `numbered_list`, `comment_inside`,
    `edit_not_proven`; the cure holds the lines to put there by hand.
    """
    try:
        return BOM * text.startswith(BOM) + _edited(text.removeprefix(BOM), wanted)
    except YmlError as error:
        raise _with_cure(error, "By hand:\n" + by_hand(wanted)) from error


def appended(text: str, path: str, item: str) -> str:
    """The text in which a list setting holds an item too, at its end; what it holds stays, in the form it has.

    Raises YmlError as `with_settings` does.
    """
    items = _items(text, path, f"By hand: add {write(item)} to the list {path}")
    return text if item in items else with_settings(text, {path: (*items, item)})


def removed(text: str, path: str, item: str) -> str:
    """The text in which a list setting does not hold an item; a list that held nothing else goes with it.

    Raises YmlError as `with_settings` does.
    """
    items = _items(text, path, f"By hand: take {write(item)} out of the list {path}")
    rest = tuple(other for other in items if other != item)
    return text if rest == items else with_settings(text, {path: rest or None})


def change_digest(wanted: Wanted) -> str:
    """Sixteen hex digits that name a set of wanted settings, whatever their order."""
    return sha256(json.dumps(sorted(wanted.items())).encode()).hexdigest()[:16]


def by_hand(wanted: Wanted) -> str:
    """The lines that a person would put into the file."""
    return "\n".join(f"(take out {path})" if value is None else _line(path, value) for path, value in wanted.items())


def _with_cure(error: YmlError, cure: str) -> YmlError:
    return YmlError(error.rule, error.text, where=error.where, cure=f"{error.cure}. {cure}" if error.cure else cure)


def _items(text: str, path: str, cure: str) -> tuple[str, ...]:
    try:
        return read(text).items(path)
    except YmlError as error:
        raise _with_cure(error, cure) from error


def _line(path: str, value: Value) -> str:
    return f"{write(path)}: {_said(value)}"


def _said(value: Value) -> str:
    return write(value) if isinstance(value, str) else write_list(value)


def _load(text: str) -> _File:
    document = parse(text)
    return _File(document, entries(document))


def _edited(text: str, wanted: Wanted) -> str:
    before = _load(text)
    changes = {path: value for path, value in wanted.items() if not _is(before.entries.get(path), value)}
    if not changes:
        return text
    after = before
    lines = [_line(path, value) for path, value in changes.items() if value is not None and path not in before.entries]
    if lines:
        after = _proven(spliced(text, [lines_of_ours(before.document, lines)]))
    present = {path: value for path, value in changes.items() if path in before.entries}
    if present:
        after = _proven(spliced(after.text, _changed(after, present)))
    _prove(before, after, changes)
    return after.text


def _is(entry: Entry | None, value: Value | None) -> bool:
    if entry is None or value is None:
        return entry is None and value is None
    return (as_items(entry.value) if isinstance(value, tuple) else entry.value) == value


def _proven(text: str) -> _File:
    try:
        return _load(text)
    except YmlError as error:
        raise YmlError("edit_not_proven", f"the edited text would not read back ({error.text})") from error


def _prove(before: _File, after: _File, changes: Wanted) -> None:
    """Refuse unless the changes, all of them and nothing else, came to be."""
    old, new = meaning(before.entries), meaning(after.entries)
    for path in {*old.values, *new.values} | set(changes):
        right = _is(after.entries.get(path), changes[path]) if path in changes else old.get(path) == new.get(path)
        if not right:
            raise YmlError("edit_not_proven", f"the edited text would not read back as meant: {path}")
    for path in new.values:
        context, dot, name = path.rpartition(".")
        if name == "certificate_authorities" and f"{context}{dot}truststore.path" in new.values:
            cure = f"Elasticsearch does not start with both; take out {context}{dot}truststore.path or the other"
            raise YmlError("two_trusts", f"{context} would have certificate_authorities and a truststore", cure=cure)


def _changed(file: _File, present: Wanted) -> list[Splice]:
    gone = {path for path, value in present.items() if value is None}
    splices: list[Splice] = []
    for path, value in present.items():
        entry = file.entries[path]
        _refuse_shared(file, path, entry)
        if value is not None:
            splices += _replaced(file.text, entry, value)
    return splices + taken_out(file.document, gone)


def _refuse_shared(file: _File, path: str, entry: Entry) -> None:
    if entry.pair is None:
        cure = f"Write {path} as one list"
        raise YmlError("numbered_list", f"{path} is spread over {path}.0, {path}.1, ...", cure=cure)
    value = entry.pair.value
    items = value.items if isinstance(value, Sequence) else ()
    nodes: tuple[Node, ...] = (*entry.above, entry.pair.key, value, *items)
    if any(isinstance(node, Alias) or node.anchor in file.document.aliased for node in nodes):
        where = place(file.text, entry.pair.key.start)
        cure = "Write the value out at each place: Elasticsearch reads an alias as the name of its anchor"
        raise YmlError("shared_anchor", f"{path} stands behind an anchor or an alias", where=where, cure=cure)


def _replaced(text: str, entry: Entry, value: Value) -> list[Splice]:
    pair = entry.pair
    node = pair.value if pair else None
    if pair is None or not isinstance(node, (Scalar, Sequence)):
        raise AssertionError  # _refuse_shared has seen to it
    if isinstance(node, Scalar):
        if isinstance(value, tuple):
            return [scalar_to_list(node, value)]
        return [Splice(node.start, node.end, write(value, node.quote))]
    if isinstance(value, tuple) and value:
        return list_to_list(text, node, as_items(entry.value), value)
    start, line = node.start, _said(value)
    if not node.flow and (colon := _COLON.match(text, pair.key.end)):  # the value moves up beside its key
        start, line = colon.end(), f" {line}"
    splice = Splice(start, node.end, line)
    refuse_comments(text, splice, node.items)
    return [splice]
