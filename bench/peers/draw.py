"""Draw seconds against the number of hosts, log scale; figures as JSON on stdin, the SVG's path as argument."""

import json
import sys

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot  # noqa: ICN001 - after the back end is chosen

figures = json.load(sys.stdin)
_, axes = pyplot.subplots(figsize=(8, 5))
for way, by_count in figures.items():
    for kind, style in (("cold", "-o"), ("warm", "--s")):
        points = sorted((int(count), took[kind]) for count, took in by_count.items() if kind in took)
        if points:
            axes.plot(*zip(*points, strict=True), style, label=f"{way}, {kind}")
axes.set(xlabel="hosts", ylabel="seconds", yscale="log", title="One small file to many hosts")
axes.grid(visible=True, which="both", alpha=0.3)
axes.legend(fontsize=8)
pyplot.tight_layout()
pyplot.savefig(sys.argv[1], metadata={"Date": None})
