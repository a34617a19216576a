"""What a configuration may say, and what a person should know of it all the same: told once, when it comes into force."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from syncd.cli.named_files import cluster_files
from syncd.config import model as config

_OTHERS = stat.S_IWGRP | stat.S_IRWXO
"""That its group may read a file of root's is how syncd's user is let in."""


def cautions(whole: config.Config, path: Path) -> Iterator[str]:
    """A sentence or two for each; `path` is that of the configuration file."""
    for cluster in whole.clusters:
        yield from _in_clear(cluster)
        yield from _forgetful(cluster)
        yield from _readable(cluster, path.absolute())


def _in_clear(cluster: config.Cluster) -> Iterator[str]:
    urls = (*cluster.elasticsearch.urls, *(node.http_url for node in cluster.nodes if node.http_url))
    if clear := dict.fromkeys(url for url in urls if url.startswith("http://")):
        yield f"{cluster.name}: the credential for Elasticsearch goes in clear to {', '.join(clear)}. Use https://"


def _forgetful(cluster: config.Cluster) -> Iterator[str]:
    if cluster.state.kind == "file" and _in_a_pod():
        yield (
            f"{cluster.name}: syncd runs in a pod and keeps its memory in the file {cluster.state_path}, which is gone with "
            "the pod unless a volume holds it, and whose lock no other pod sees. "
            "Use state: {kind: configmap, namespace: ...}"
        )


def _in_a_pod() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ


def _readable(cluster: config.Cluster, path: Path) -> Iterator[str]:
    for file in cluster_files(cluster, path):
        if file.holds == "other":
            continue
        try:
            status = Path(file.path).stat()
        except OSError:
            continue  # whoever reads it says so
        mode = stat.S_IMODE(status.st_mode)
        if mode & _OTHERS:
            cure = f"chmod {'0600' if status.st_uid == os.geteuid() else '0640'} {file.path}"
            if _in_a_pod():
                cure = "defaultMode: 0400 of the volume that it comes from (0440 with an fsGroup)"
            text = f"{file.path} ({file.key}) has mode {mode:04o}: others may read or change the secret"
            yield f"{cluster.name}: {text}. Set {cure}"
