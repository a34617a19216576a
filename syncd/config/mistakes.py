"""What is wrong with a configuration, for who wrote it: file, line, key, what was expected; never a secret."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from syncd.config.base import Mistake, Place, place_text
from syncd.config.known import advice, kinds_at, looks_secret

_TAGS = {"ssh", "local", "secret", "file", "none"}
"""Names of union members, which pydantic puts into the location of an error."""
_WORDS = {
    "tuple_type": "a list is expected",
    "string_type": "a text is expected: put into quotes what YAML reads as something else",
    "model_type": "a mapping of keys is expected",
    "model_attributes_type": "a mapping of keys is expected",
}
"""Where pydantic's words are about Python."""


def lines(error: ValidationError, root: type[BaseModel], tree: Any, path: Path) -> Iterator[str]:
    """A line for each mistake; `tree` is the file with its lines, `path` is for messages."""
    problems = error.errors()
    for problem in problems:
        if not _follows(problem, problems):
            keys = _keys(problem, tree)
            line, column = _position(keys, tree)
            name = place_text(keys) or "the file"
            yield f"{path}:{line}:{column}: {name}: {_words(problem, root)}{_found(problem, keys)}"


def _follows(problem: Any, problems: list[Any]) -> bool:
    """Whether a list is only too short because of the mistakes in its items."""
    depth = len(problem["loc"])
    inside = (other for other in problems if other["loc"][:depth] == problem["loc"] and other is not problem)
    return problem["type"] == "too_short" and any(inside)


def _keys(problem: Any, tree: Any) -> Place:
    """Where the mistake is, in keys of the file."""
    place = problem["loc"]
    keys = tuple(key for number, key in enumerate(place) if not _is_tag(key, place[:number], tree))
    if problem["type"].startswith("union_tag"):
        return (*keys, "kind")
    mistake = problem.get("ctx", {}).get("error")
    return keys + (mistake.at if isinstance(mistake, Mistake) else ())


def _words(problem: Any, root: type[BaseModel]) -> str:
    """What is wrong, and what was expected."""
    match problem["type"]:
        case "extra_forbidden":
            return advice(root, problem["loc"])
        case "union_tag_not_found" | "union_tag_invalid":
            found = problem["ctx"].get("tag")
            told = "it is missing" if found is None else f"there is no kind {found}"
            return f"{told}; one of {', '.join(kinds_at(root, problem['loc']))} is expected"
        case "too_short":
            return f"a list of at least {problem['ctx']['min_length']} is expected"
        case kind:
            words: str = _WORDS.get(kind) or problem["msg"].removeprefix("Value error, ")
            return words


def _found(problem: Any, keys: Place) -> str:
    """The value, where it cannot be a secret: of an unknown key nobody knows what it is."""
    found = problem["input"]
    if problem["type"] == "extra_forbidden" or any(isinstance(key, str) and looks_secret(key) for key in keys):
        return ""
    if isinstance(found, str) and "://" in found and "@" in found:  # a URL with a credential
        return ""
    return f" (found {found!r})" if isinstance(found, str | int | float | bool) else ""


def _is_tag(key: Any, before: Place, tree: Any) -> bool:
    """Whether a part of a location is the name of a union member rather than a key of the file."""
    if key not in _TAGS:
        return False
    node = tree
    for part in before:
        if part not in _TAGS:
            node = node[part] if _has(node, part) else None
    return not _has(node, key)


def _position(keys: Place, tree: Any) -> tuple[int, int]:
    """Line and column (from 1) of the deepest key of a location that the file has."""
    node, place = tree, (tree.lc.line, tree.lc.col)
    for key in keys:
        if not _has(node, key):
            break
        place = _place(node, key) or place
        node = node[key]
    return place[0] + 1, place[1] + 1


def _place(node: Any, key: Any) -> tuple[int, int] | None:
    """Line and column of a key; None: it is there by a merge (`<<`)."""
    try:
        place: tuple[int, int] | None = node.lc.item(key) if isinstance(key, int) else node.lc.key(key)
    except KeyError:
        return None
    return place


def _has(node: Any, key: Any) -> bool:
    if isinstance(node, Mapping):
        return key in node
    return isinstance(node, list) and isinstance(key, int) and key < len(node)
