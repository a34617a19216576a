"""Many records of one kind as a table of columns: a large cluster's memory must fit into one object of Kubernetes; pure.

A column with few distinct values has each of them once, and their numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_Column = list[Any] | dict[str, Any]


def pack(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A table of plain records that have the same fields."""
    fields = sorted(records[0]) if records else []
    return {"table": {field: _column([record[field] for record in records]) for field in fields}}


def unpack(value: Any) -> Any:
    """The records of a table; anything else as it is.

    Raises ValueError, TypeError or IndexError where it is none.
    """
    if not isinstance(value, dict) or set(value) != {"table"}:
        return value
    columns = {field: _values(column) for field, column in value["table"].items()}
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError("the columns of a table are not of one length")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _column(values: list[Any]) -> _Column:
    if not all(isinstance(value, str | int | None) for value in values):
        return values
    distinct = list(dict.fromkeys(values))
    if 2 * len(distinct) > len(values) or any(isinstance(value, bool) for value in values):
        return values
    numbers = {value: number for number, value in enumerate(distinct)}
    return {"values": distinct, "rows": [numbers[value] for value in values]}


def _values(column: _Column) -> list[Any]:
    if isinstance(column, list):
        return column
    values = column["values"]
    if any(number < 0 for number in column["rows"]):
        raise ValueError("a row of a table has a negative number")
    return [values[number] for number in column["rows"]]
