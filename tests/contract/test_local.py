"""The local host passes the host contract."""

import pytest

from syncd.adapters.local import LocalHost
from syncd.ports import Host
from tests.contract.host_contract import HostContract


class TestLocalHost(HostContract):
    @pytest.fixture
    def host(self) -> Host:
        return LocalHost()
