"""Draw seconds against the number of nodes, log scales; figures as JSON on stdin, the SVG's path as argument."""

import json
import sys

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot  # noqa: ICN001 - after the back end is chosen

figures = json.load(sys.stdin)
_, axes = pyplot.subplots(figsize=(8, 5))
for number, (way, by_count) in enumerate(figures.items()):
    for kind, style in (("cold", "-o"), ("warm", "--s")):
        points = sorted((int(count), took[kind]) for count, took in by_count.items() if kind in took)
        if points:
            axes.plot(*zip(*points, strict=True), style, color=f"C{number}", label=f"{way}, {kind}")
axes.set(xlabel="nodes (on 50 sshd at most)", ylabel="seconds", xscale="log", yscale="log")
axes.set_title("One small file to many nodes (scp and ansible: up to 50)")
counts = sorted({int(count) for by_count in figures.values() for count in by_count})
axes.set_xticks(counts, [f"{count:,}" for count in counts])
axes.minorticks_off()
axes.grid(visible=True, which="both", alpha=0.3)
axes.legend(fontsize=8)
pyplot.tight_layout()
pyplot.savefig(sys.argv[1], metadata={"Date": None})
