"""How metrics are named, and those that are counted elsewhere: in bells and loops. docs/metrics.md has all of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily


@dataclass(frozen=True, slots=True)
class Counted:
    """Something that whoever does it counts of itself."""

    name: str
    """Without the `_total` of a counter."""
    text: str
    labels: tuple[str, ...]
    kind: Literal["counter", "gauge"] = "counter"


PASS_CRASHES = Counted(
    "syncd_pass_crashes",
    "Passes that ended by a fault of syncd's own, or could not be told in full; the log has the trace.",
    ("cluster",),
)
WATCH_RESTARTS = Counted(
    "syncd_watch_restarts",
    "How often the watch on a Kubernetes object began anew, by cause; `ended` is the usual one, about once a minute.",
    ("cluster", "watched", "cause"),
)
WATCH_OPEN = Counted(
    "syncd_watch_open",
    "Whether the API server has accepted the watch on a Kubernetes object, and it has not ended. Without it the object is "
    "still read by the clock.",
    ("cluster", "watched"),
    "gauge",
)
COUNTED = (PASS_CRASHES, WATCH_RESTARTS, WATCH_OPEN)

Count: TypeAlias = tuple[Counted, tuple[str, ...], float]
"""What is counted, the values of its labels, and the number."""
Counts: TypeAlias = Callable[[], Iterable[Count]]


def gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    """A gauge of syncd's, without values yet."""
    return GaugeMetricFamily(f"syncd_{name}", text, labels=labels)


def counted(counts: Iterable[Count]) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
    """All that is counted elsewhere, also what has no value yet."""
    families = {each: _family(each) for each in COUNTED}
    for each, labels, value in counts:
        families[each].add_metric(labels, value)
    yield from families.values()


def _family(each: Counted) -> CounterMetricFamily | GaugeMetricFamily:
    if each.kind == "gauge":
        return GaugeMetricFamily(each.name, each.text, labels=each.labels)
    return CounterMetricFamily(each.name, each.text, labels=each.labels)
