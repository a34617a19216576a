"""All hosts of a cluster: sessions stay warm up to a bound, the rest connect on demand."""

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from threading import BoundedSemaphore, Lock

from syncd.adapters.ssh.host import SshHost
from syncd.adapters.ssh.session import Connector, Session
from syncd.adapters.ssh.settings import SshSettings
from syncd.core.model import NodeName
from syncd.ports import Deadline

_CONNECTS_AT_ONCE = 64


class SshFleet:
    """Hosts by node name."""

    def __init__(self, settings: SshSettings, addresses: Mapping[NodeName, tuple[str, int]]) -> None:
        self._settings = settings
        self._connector = Connector(settings)
        self._connecting = BoundedSemaphore(_CONNECTS_AT_ONCE)
        self._lock = Lock()
        self._used: OrderedDict[NodeName, None] = OrderedDict()
        self._hosts = {
            name: SshHost(f"{address}:{port}", partial(self._connect, address, port))
            for name, (address, port) in addresses.items()
        }

    def host(self, name: NodeName) -> SshHost:
        """The host of a node."""
        self._cool_down(name)
        return self._hosts[name]

    def close(self) -> None:
        """Close all sessions, which ends what hangs in them."""
        for host in self._hosts.values():
            host.close()

    def _connect(self, address: str, port: int, deadline: Deadline) -> Session:
        with self._connecting:
            return self._connector.connect(address, port, deadline)

    def _cool_down(self, name: NodeName) -> None:
        """Close the sessions that were used longest ago, where there are too many; one in use has another turn later."""
        with self._lock:
            self._used[name] = None
            self._used.move_to_end(name)
            cold = [self._used.popitem(last=False)[0] for _ in range(len(self._used) - max(1, self._settings.warm))]
        busy = [each for each in cold if not self._hosts[each].close_idle()]
        with self._lock:
            for each in reversed(busy):
                if each not in self._used:
                    self._used[each] = None
                    self._used.move_to_end(each, last=False)
