"""Who applied which field: what server-side apply decides conflicts and removals by, for the embedded Kubernetes API.

Leaf by leaf, as a real server has it for maps; lists are one leaf.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from syncd.ports import now

Path = tuple[str, ...]
Body = dict[str, Any]
_NOT_FIELDS = ("apiVersion", "kind", "status")
_IDENTITY = ("name", "namespace", "resourceVersion", "uid", "creationTimestamp", "managedFields", "generation")
_OTHERS = "others"
"""Whoever wrote without applying."""


@dataclass
class Owners:
    """The field managers of one object."""

    fields: dict[str, set[Path]] = field(default_factory=dict)

    def conflicts(self, old: Body, new: Body, manager: str) -> dict[Path, str]:
        """Fields that another manager holds with another value."""
        wanted = dict(leaves(new))
        there = dict(leaves(old))
        return {
            path: other
            for other, paths in self.fields.items()
            for path in sorted(paths & wanted.keys())
            if other != manager and path in there and there[path] != wanted[path]
        }

    def apply(self, old: Body, new: Body, manager: str) -> set[Path]:
        """Note what a manager applied; returns the fields that it no longer names and nobody else holds."""
        paths = {path for path, _ in leaves(new)}
        for path in self.conflicts(old, new, manager):
            for other, theirs in self.fields.items():
                if other != manager:
                    theirs.discard(path)
        dropped = self.fields.get(manager, set()) - paths
        self.fields[manager] = paths
        return {path for path in dropped if not any(path in theirs for theirs in self.fields.values())}

    def written(self, old: Body, new: Body) -> None:
        """Note what somebody changed without applying."""
        before, after = dict(leaves(old)), dict(leaves(new))
        changed = {path for path, value in after.items() if path not in before or before[path] != value}
        gone = before.keys() - after.keys()
        for theirs in self.fields.values():
            theirs.difference_update(changed | gone)
        self.fields.setdefault(_OTHERS, set()).update(changed)

    def managed(self, api: str) -> list[Body]:
        """`metadata.managedFields`."""
        return [
            {
                "manager": manager,
                "operation": "Update" if manager == _OTHERS else "Apply",
                "apiVersion": api,
                "time": f"{now():%Y-%m-%dT%H:%M:%SZ}",
                "fieldsType": "FieldsV1",
                "fieldsV1": _tree(paths),
            }
            for manager, paths in sorted(self.fields.items())
            if paths
        ]


def leaves(body: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Every field that can be owned, with its value."""
    for key, value in body.items():
        if key in _NOT_FIELDS:
            continue
        part = {name: item for name, item in value.items() if name not in _IDENTITY} if key == "metadata" else value
        yield from _below((key,), part)


def without(body: Body, paths: set[Path]) -> Body:
    """A copy without these fields."""
    new = {key: without(value, set()) if isinstance(value, dict) else value for key, value in body.items()}
    for path in paths:
        place: Any = new
        for part in path[:-1]:
            place = place.get(part, {}) if isinstance(place, dict) else {}
        if isinstance(place, dict):
            place.pop(path[-1], None)
    return new


def _below(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _below((*path, key), item)
    elif value != {}:
        yield path, value


def _tree(paths: set[Path]) -> Body:
    tree: Body = {}
    for path in sorted(paths):
        place = tree
        for part in path:
            place = place.setdefault(f"f:{part}", {})
    return tree
