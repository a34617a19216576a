"""A cluster as `elasticsearch-certutil` makes it, PKCS#12 stores with passwords, gets the certificate model.

By a syncd that reaches its host through SSH and sudo, and by one that runs on it.
"""

from pathlib import Path

import pytest

from syncd.core import yml
from syncd.core.bundle import read_trust_file
from tests.bed.estate import Estate, run_estate
from tests.bed.housed import SHARES, Housed
from tests.bed.kube import KubeApi
from tests.bed.pytest_plugin import need
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.timeout(900)]
CAS = "xpack.security.transport.ssl.certificate_authorities"


@pytest.mark.parametrize("kind", [Estate, Housed])
def test_a_trust_store_becomes_pem_in_the_one_restart_of_a_cluster_of_one_node(
    request: pytest.FixtureRequest, open_folder: Path, kube: KubeApi, kind: type[Estate]
) -> None:
    """While its only node is away nobody can be asked for the record: what is on its disk tells how far it is."""
    need(request, "systemd", "sshd", "sudo", "elasticsearch")
    cluster = {"network": "127.0.9", "size": 1, "stores": True, "shares": SHARES if kind is Housed else ()}
    with run_estate(open_folder, kube, "certificate", kind, **cluster) as site:
        (node,) = site.cluster.nodes
        before = site.starts()
        said = (node.config / "elasticsearch.yml").read_text()
        unit = {"policy": "rolling", "unit": "elasticsearch@{node}.service", "accept_outage": True}
        site.configure(restart=unit).start()
        site.await_settled(600)
        assert site.starts() == {name: count + 1 for name, count in before.items()}
        after = (node.config / "elasticsearch.yml").read_text()
        old, new = yml.read(said), yml.read(after)
        assert {path for path in {*old.values, *new.values} if old.get(path) != new.get(path)} == {
            CAS,
            "xpack.security.transport.ssl.truststore.path",
        }
        assert new.items(CAS) == (f"{node.config}/transport-own-ca.crt", f"{node.config}/remote-transport-ca.crt")
        own = read_trust_file((node.config / "transport-own-ca.crt").read_bytes()).certs
        assert [cert.pem.decode() in site.mirror() for cert in own] == [True], "one CA, and ECK has it"
        assert not [failure for number in range(3) for failure in site.fresh(number)]
        assert "truststore.secure_password" in site.cluster.tool(node, "elasticsearch-keystore", "list")
        wait_for(lambda: not list(node.config.glob("*.syncd-*")), 60, "no copy is left", 0.5)
