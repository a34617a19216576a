"""docs/holds.md and the source name the same rules, and say of the same ones that a person must look."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from syncd.core.model import Hold
from syncd.core.model.planned import _GRAVE

ROOT = Path(__file__).parents[2]

LOOKED = {"HostError", "SourceError", "MirrorError", "ClusterError", "StateError", "_error"}
"""Errors of a look, whose rule becomes a hold's by way of `Unknown`; `_error` makes those of the REST client."""
PREFIXED = {"BundleError", "YmlError", "UnsafePlan", "KubeError"}
"""Errors of which a hold's rule is made by a prefix, in whatever catches them."""
RULE_AT = {"Hold": 1, "wait": 1, "Unknown": 0} | dict.fromkeys(LOOKED | PREFIXED, 0)
"""Which argument of a call is a rule."""
TABLES = {"RULES", "SAFETY"}

NEVER = {
    "cluster_changed es_alias_taken es_allocation es_owner es_restart_changed es_restart_open "
    "copy_missing keystore_kept keystore_value not_atomic unit_changed "
    "unit_refused": "of steps: these are failures, not holds",
    "*_conflict *_expired": "what the API server answers to a write or a watch, never to a look",
    "own_ca_* store_* yml_unknown yml_placeholder": "quoted by `own_trust_unknown`",
    "unit_unknown endpoints_not_told": "quoted by `node_fine`, `endpoints_unseen`",
    "dial_refused key_not_named no_address tls tunnel_refused": "of handshakes and keys: told by a link's verdict",
    "*_not_found": "read as that there is none",
    "extra_[!u]*": "quoted by `extra_unread`",
    "*_empty_bundle file_not_a_ca file_store_* source_store_*": "of another reader of certificates than the prefix's",
    "resource_binary source_binary state_binary": "of the mirror's reader alone",
}
"""Rules of errors that are never a hold's, and why. Each pattern must match something: the list cannot grow old."""


def test_every_rule_that_may_hold_something_is_on_the_page_and_no_other() -> None:
    page, source = set(_page()), _holding()
    assert not source - page, f"no row in docs/holds.md: {sorted(source - page)}"
    assert not page - source, f"nothing holds by these any more: {sorted(page - source)}"


def test_every_rule_has_one_row() -> None:
    twice = [rule for rule, rows in Counter(rule for rule, _ in _rows()).items() if rows > 1]
    assert not twice


def test_the_page_says_of_the_same_rules_as_the_code_that_a_person_must_look() -> None:
    differs = {rule for rule, grave in _page().items() if grave is not Hold("es-01", rule, "").grave}
    assert not differs


def test_what_a_person_must_look_at_can_be_a_hold() -> None:
    """Else the list promises a warning that nobody will ever get."""
    assert not _GRAVE - _holding()


@pytest.mark.parametrize("pattern", [each for patterns in NEVER for each in patterns.split()])
def test_what_is_left_out_is_still_there(pattern: str) -> None:
    assert [rule for rule in _rules() if fnmatchcase(rule, pattern)]


def test_the_source_is_read_as_it_is_written() -> None:
    """One rule of each way in which the source names them: a way that is no longer read would leave rules out unseen."""
    plain = {"observe", "late", "host_key", "es_tls", "node_unreachable", "link_up", "sole_copy", "source_unknown"}
    chosen = {"sudo", "disk_full", "es_unhealthy", "not_approved", "yml_absent"}
    prefixed = {"guard_orphans_chain", "yml_tab", "file_truncated", "source_not_a_ca", "mirror_forbidden", "state_busy"}
    assert plain | chosen | prefixed <= _holding()


# --- the page


def _page() -> dict[str, bool]:
    return dict(_rows())


def _rows() -> Iterator[tuple[str, bool]]:
    """(rule, grave) of each rule in the first column of a row."""
    for line in (ROOT / "docs/holds.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("| `") else []
        if cells:
            first, _, _, grave = cells
            assert grave in ("", "yes"), line
            yield from ((rule, grave == "yes") for rule in re.findall(r"`(\w+)`", first))


# --- the source


def _holding() -> set[str]:
    patterns = [each for patterns in NEVER for each in patterns.split()]
    return {rule for rule in _rules() if not any(fnmatchcase(rule, pattern) for pattern in patterns)}


@cache
def _rules() -> frozenset[str]:
    """Every rule that the source names, those of errors with the prefixes that they get on their way."""
    named: dict[str, set[str]] = defaultdict(set)
    prefixes: set[tuple[str, str]] = set()
    for path in (ROOT / "syncd").rglob("*.py"):
        if path.relative_to(ROOT).parts[1] in {"core", "engine", "adapters"}:
            _read(ast.parse(path.read_text()), named, prefixes)
    rules = {f"{prefix}{rule}" for prefix, kind in prefixes for rule in named[kind]}
    return frozenset(rules.union(*(found for kind, found in named.items() if kind not in PREFIXED)))


def _read(tree: ast.Module, named: dict[str, set[str]], prefixes: set[tuple[str, str]]) -> None:
    """The rules by the kind of what takes them, and (prefix, kind of error) where a rule is made of another."""
    above = _bound(node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign))
    named["table"] |= set(_in_tables(above))
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.FunctionDef | ast.Module):
            continue
        names, kinds = {**above, **_bound(ast.walk(scope))}, _kinds(scope)
        for call in ast.walk(scope):
            kind, rule = _taken(call)
            if isinstance(rule, ast.JoinedStr):
                prefixes |= set(_prefix(rule, kinds))
            elif rule is not None:
                found = set(_strings(rule, names))
                passed_on = ast.unparse(rule).endswith("rule")
                assert found or passed_on or kind == "_error", f"not understood: {ast.unparse(call)}"
                named[kind] |= found


def _taken(node: ast.AST) -> tuple[str, ast.expr | None]:
    """(what takes a rule, the rule) of a call."""
    if not isinstance(node, ast.Call):
        return "", None
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    if name == "Claim":
        return name, next((each for part in node.args[4:5] for each in getattr(part, "elts", ())), None)
    at = RULE_AT.get(name, len(node.args))
    return name, node.args[at] if at < len(node.args) else None


def _in_tables(above: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    for row in (row for name in TABLES for table in above.get(name, ()) for row in getattr(table, "elts", ())):
        if isinstance(row, ast.Tuple):
            yield from _strings(row.elts[0], {})


def _bound(nodes: Iterable[ast.AST]) -> dict[str, list[ast.expr]]:
    """What each name may be."""
    found: dict[str, list[ast.expr]] = defaultdict(list)
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for name, value in _pairs(target, node.value):
                    found[name].append(value)
    return found


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(value, ast.IfExp):
        yield from (*_pairs(target, value.body), *_pairs(target, value.orelse))
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        starred = any(isinstance(each, ast.Starred) for each in target.elts)  # of lists, which hold no rules
        for one, other in zip(target.elts, value.elts, strict=True) if not starred else ():
            yield from _pairs(one, other)


def _kinds(scope: ast.AST) -> dict[str, str]:
    """The class of each error that is caught or given under a name."""
    found = {}
    for node in ast.walk(scope):
        if isinstance(node, ast.ExceptHandler) and node.name and isinstance(node.type, ast.Name):
            found[node.name] = node.type.id
        elif isinstance(node, ast.arg) and isinstance(node.annotation, ast.Name):
            found[node.arg] = node.annotation.id
    return found


def _prefix(rule: ast.JoinedStr, kinds: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Of f"guard_{error.rule}"; one that is made otherwise is not understood here, and must be."""
    match rule.values:
        case [ast.Constant(value=str(prefix)), ast.FormattedValue(value=ast.Attribute(value=ast.Name(id=name)))]:
            assert kinds.get(name) in PREFIXED, f"{prefix}: of which error?"
            yield prefix, kinds[name]
        case _:
            raise AssertionError(ast.unparse(rule))


def _strings(node: ast.expr, names: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    """What a rule may be, as far as it is said where it is used: by itself, by choice, by name or by table."""
    parts: Iterable[ast.expr] = ()
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=one, orelse=other) | ast.BinOp(left=one, right=other):
            parts = (one, other)
        case ast.BoolOp(values=values) | ast.Dict(values=values):
            parts = values
        case ast.Name(id=name):
            parts, names = names.get(name, ()), {other: names[other] for other in names if other != name}
        case ast.Call(func=ast.Name(id="getattr"), args=[_, _, default]):
            parts = (default,)
        case ast.Call(func=ast.Attribute(attr="fromkeys"), args=[_, value]):
            parts = (value,)
        case ast.Call(func=ast.Attribute(value=ast.Name() as table, attr="get"), args=[_, *default]):
            parts = (table, *default)
        case _:
            pass
    for part in parts:
        yield from _strings(part, names)
