"""Both security models at once, to one ECK cluster, on the oldest version that is supported: from bare, and on to the one.

As whoever moves from certificates to API keys does. Only the certificate model's remote may change the resource, and it is
not the first one in the configuration.
"""

from pathlib import Path

import pytest

from tests.bed import paths
from tests.bed.eck import CLUSTER, NS
from tests.bed.estate import ALIAS, Estate, run_estate
from tests.bed.kube import KubeApi
from tests.bed.pytest_plugin import need
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.timeout(900)]
OTHER = "eck-dr"


def test_both_come_with_one_restart_and_the_other_one_leaves_with_another(
    request: pytest.FixtureRequest, open_folder: Path, kube: KubeApi
) -> None:
    need(request, "systemd", "sshd", "sudo", "elasticsearch")
    with run_estate(open_folder, kube, "certificate", network="127.0.13", size=1, version=paths.OLDEST) as site:
        site.become("api_key")
        port = site.remote.node.transport_port
        settings = {
            f"cluster.remote.{OTHER}.mode": "proxy",
            f"cluster.remote.{OTHER}.proxy_address": f"127.0.0.1:{port}",
        }
        site.cluster.api("PUT", "/_cluster/settings", {"persistent": settings})
        same = {"source": {"kind": "secret", "namespace": NS, "cluster": CLUSTER}, "trust": {"overlap": "5s"}}
        by_key = {"alias": ALIAS, "security_model": "api_key", "credential_file": "api-key"} | same
        by_certificate = {"alias": OTHER, "security_model": "certificate", "resource": "managed"} | same
        site.model = "certificate"  # the rights for both
        before = site.starts()
        unit = {"policy": "rolling", "unit": "elasticsearch@{node}.service", "accept_outage": True}
        site.configure([by_key, by_certificate], restart=unit).start()
        site.await_settled(240)
        assert site.starts() == {name: count + 1 for name, count in before.items()}
        assert site.keys_in_use() == {"es-1": site.key_id}
        assert not fresh(site)

        site.end()
        site.configure([by_key], restart=unit).start()
        wait_for(lambda: "remote_removed" in site.rules(), 60, "what is left is told", 0.5)
        done = site.syncd("forget", OTHER, "--yes", timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr
        (node,) = site.cluster.nodes
        wait_for(lambda: not (node.config / "remote-transport-ca.crt").exists(), 200, "the file gone", 0.5)
        site.await_settled(120)
        assert site.starts() == {name: count + 2 for name, count in before.items()}
        assert not fresh(site), "the one that stays is not touched"
        assert "[error" not in (site.folder / "syncd.log").read_text(), "no step fails on the way"


def fresh(site: Estate) -> list[str]:
    return [failure for number in range(3) for failure in site.fresh(number)]
