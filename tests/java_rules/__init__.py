"""What Elasticsearch's trust check accepts: one table, read by the unit test, the real nodes' test and docs/trust.md."""

from tests.java_rules import chains, leaves
from tests.java_rules.row import Row

THEMES: dict[str, tuple[Row, ...]] = {
    "Anchors": tuple(chains.anchors()),
    "Key identifiers": tuple(chains.key_ids()),
    "Intermediates": tuple(chains.intermediates()),
    "Depth": tuple(chains.depths()),
    "Path lengths": tuple(chains.lengths()),
    "The power to sign": tuple(chains.powers()),
    "Names of CAs": tuple(chains.names()),
    "Leaves": tuple(leaves.leaves()),
    "Leaves that are trusted themselves": tuple(leaves.pinned()),
    "Keys": tuple(leaves.keys()),
    "Weak algorithms": tuple(leaves.weak()),
    "Name constraints": tuple(leaves.constraints()),
    "Policies": tuple(leaves.policies()),
}
ROWS = tuple(row for rows in THEMES.values() for row in rows)


def tables() -> str:
    """The tables of docs/trust.md."""
    parts = []
    for theme, rows in THEMES.items():
        lines = [f"| {row.trusted} | {row.presented} | {_verdict(row)} |" for row in rows]
        head = "| the node trusts | the remote presents | |\n| --- | --- | --- |"
        parts.append("\n".join([f"### {theme}", "", head, *lines, ""]))
    return "\n".join(parts)


def _verdict(row: Row) -> str:
    caution = f", syncd says refused: {row.caution}" if row.caution else ""
    return ("accepted" if row.accepted else "refused") + caution
