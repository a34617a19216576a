"""`syncd run`: a loop and a prover per cluster, telemetry, and signals."""

import ctypes
import logging
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from queue import SimpleQueue

from syncd.adapters.bells import FileBell
from syncd.adapters.kubernetes import ObjectWatch
from syncd.cli.cautions import cautions
from syncd.cli.wiring import Wired, Wiring, version
from syncd.config import model as config
from syncd.config.live import LiveConfig
from syncd.core.errors import SyncdError
from syncd.core.model import Report
from syncd.engine.crew import Crew
from syncd.engine.handshake_proofs import HandshakeProofs
from syncd.engine.looking.prove import Prover
from syncd.engine.loop import Loop
from syncd.engine.reconcile import Reconciler
from syncd.engine.remember import Past
from syncd.engine.tell import Teller
from syncd.telemetry.families import PASS_CRASHES, WATCH_OPEN, WATCH_RESTARTS, Count
from syncd.telemetry.logs import set_up
from syncd.telemetry.server import Server
from syncd.telemetry.telemetry import Telemetry

_LOG = logging.getLogger(__name__)
_STOP_WITHIN = 8.0
"""Seconds for a step at hand to end after SIGTERM; the service manager allows ten."""

_FIRST_PAGE = 1.0
"""Seconds that the first pass waits to know the nodes: without them it would write all the same."""


class Running:
    """One cluster at work."""

    def __init__(self, wired: Wired, workers: int, telemetry: Telemetry, past: Past) -> None:
        self._world = wired.world
        self._bells = wired.bells
        self._telemetry = telemetry
        name = wired.world.policy.cluster
        self._teller = Teller(wired.world.notices)
        self.loop = Loop(name, self._pass, self._tell, longest=wired.world.pace.longest)
        self._crew = Crew(f"crew {name}", workers, self.loop.ring)
        self._proving = Crew(f"prove {name}", min(workers, 32), lambda _: None)
        self._proofs = HandshakeProofs(wired.world, self.loop.ring)
        self._reconciler = Reconciler(wired.world, self._crew, self._proofs, past)
        self._prover = Prover(wired.world, self._proving, self._proofs, self.loop.ring)

    def start(self) -> None:
        """Begin. What only looks asks for no permit: that is a Lease or a file, and `mode: observe` changes nothing."""
        if not self._world.policy.observe:
            self._world.permit.start(self.loop.ring)
        for bell in self._bells:
            bell.start(self.loop.ring)
        self._prover.start(_FIRST_PAGE)
        self.loop.start()

    def stop(self) -> None:
        """End after the step at hand, then let go of everything."""
        for bell in self._bells:
            bell.stop()
        ended = self.loop.stop(_STOP_WITHIN)
        self._prover.stop(0.5)
        self._proofs.stop()
        self._crew.close()
        self._proving.close()
        if not ended:
            _LOG.warning("%s: a step did not end in time; its connection is closed", self._world.policy.cluster)
        for notices in self._world.notices.values():
            notices.stop()
        self._world.permit.stop()
        self._world.fleet.close()
        self._world.elasticsearch.close()

    def hand_over(self) -> Past:
        """See `Remembering.hand_over`."""
        return self._reconciler.hand_over()

    def counts(self) -> Iterator[Count]:
        """What the loop and the watches count of themselves."""
        cluster = self._world.policy.cluster
        yield PASS_CRASHES, (cluster,), float(self.loop.heart.crashes)
        for bell in self._bells:
            if isinstance(bell, ObjectWatch):
                yield WATCH_OPEN, (cluster, bell.watched), float(bell.open)
                for cause, number in bell.restarts.items():
                    yield WATCH_RESTARTS, (cluster, bell.watched, cause), float(number)

    def _pass(self, rang: tuple[str, ...], cause_at: datetime) -> Report:
        return self._reconciler.run(self._prover.page, rang, cause_at)

    def _tell(self, report: Report) -> None:
        self._prover.tell(report)
        self._telemetry.record(report)
        self._teller.tell(report)


@dataclass
class Daemon:
    """All clusters of a configuration, and the configuration as it changes."""

    path: Path

    def __post_init__(self) -> None:
        self._live = LiveConfig(self.path)
        whole = self._live.current
        set_up(whole.telemetry.log_format, whole.telemetry.log_level)
        names = [cluster.name for cluster in whole.clusters]
        self._running: dict[str, Running] = {}
        self._wiring = Wiring(whole, self.path)
        self._telemetry = Telemetry(version(), names, _patience(whole), self._counts)
        self._server = Server(whole.telemetry.listen, self._telemetry.pages())
        self._wake: SimpleQueue[bool] = SimpleQueue()  # unlike an Event, safe to use from a signal handler
        """Whether a person asked (SIGHUP), or a file changed."""
        self._stopping = False

    @property
    def port(self) -> int:
        """Port of the telemetry server."""
        return self._server.port

    def run(self) -> None:
        """Until SIGTERM or SIGINT. SIGHUP re-reads the configuration."""
        _one_arena()
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, lambda *_: self._wake.put(True))
        bell = FileBell([str(self.path.absolute())], "configuration")
        self._server.start()
        self._begin(self._wiring, _wire(self._wiring), {})
        self._introduce(self._live.current)
        bell.start(lambda _: self._wake.put(False))
        _LOG.info("syncd %s keeps %s; telemetry on port %d", version(), ", ".join(self._running), self.port)
        while not self._stopping:
            asked = self._wake.get()
            if not self._stopping:
                self._refresh(asked=asked)
        bell.stop()
        self._end()
        self._server.stop()
        _LOG.info("syncd ended")

    def _counts(self) -> list[Count]:
        """What bells count of themselves; reads numbers, asks nobody."""
        return [count for running in list(self._running.values()) for count in running.counts()]

    def _on_stop(self, *_: object) -> None:
        self._stopping = True
        self._wake.put(False)

    def _begin(self, wiring: Wiring, wired: dict[str, tuple[Wired, int]], past: Mapping[str, Past]) -> None:
        self._wiring = wiring
        for name, (world, workers) in wired.items():
            self._running[name] = Running(world, workers, self._telemetry, past.get(name, Past()))
            self._running[name].start()

    def _end(self) -> dict[str, Past]:
        """Stop all; what each cluster's loop knew of the past, for the next one."""
        for running in self._running.values():
            running.stop()
        past = {name: running.hand_over() for name, running in self._running.items()}
        self._running.clear()
        self._wiring.close()
        return past

    def _refresh(self, *, asked: bool) -> None:
        """Take a valid change; refuse, name and count an invalid one."""
        change = self._live.refresh(asked=asked)
        if change is None:
            if asked:
                _LOG.info("SIGHUP: the configuration is as it was; everything is looked at anew")
            for running in self._running.values():
                running.loop.ring("SIGHUP")
        elif change.config is None:
            self._refuse(change.error)
        elif change.config == self._live.current:
            self._telemetry.reloaded("as it runs")
            _LOG.info("the refused change was taken back: the configuration file says what is in force")
        else:
            self._change(change.config)

    def _change(self, whole: config.Config) -> None:
        """Put another configuration into force, or refuse it and leave all as it is."""
        wiring = Wiring(whole, self.path)
        try:
            wired = _wire(wiring)
            server = self._other_server(whole.telemetry.listen)
        except SyncdError as error:
            wiring.close()
            self._live.refuse()
            self._refuse(str(error))
            return
        if server:
            server.start()
            self._server.stop()
            self._server = server
        set_up(whole.telemetry.log_format, whole.telemetry.log_level)
        self._begin(wiring, wired, self._end())
        self._live.take(whole)
        self._telemetry.watch_over((cluster.name for cluster in whole.clusters), _patience(whole))
        self._telemetry.reloaded("taken")
        _LOG.info("the changed configuration is in force")
        self._introduce(whole)

    def _other_server(self, listen: str) -> Server | None:
        """A server at another address, which is bound before the old one is let go; None: it stays where it is."""
        return Server(listen, self._telemetry.pages()) if listen != self._server.listen else None

    def _refuse(self, why: str) -> None:
        self._telemetry.reloaded("refused")
        _LOG.error("the changed configuration is refused, the old one stays: %s", why)

    def _introduce(self, whole: config.Config) -> None:
        """Say what is kept and how, and what of it a person should know."""
        for cluster in whole.clusters:
            _LOG.info("keeps %s: mode %s", cluster.name, cluster.mode)
        for caution in cautions(whole, self.path):
            _LOG.warning("%s", caution)


def _patience(whole: config.Config) -> timedelta:
    """How old a last pass may be before the process counts as stuck."""
    return timedelta(seconds=120) + 3 * whole.intervals.reread


def _wire(wiring: Wiring) -> dict[str, tuple[Wired, int]]:
    """Every cluster's world, connected to nothing yet. Raises SyncdError where a file that it names is not usable."""
    return {cluster.name: (wiring.cluster(cluster), _workers(cluster)) for cluster in wiring.whole.clusters}


def _one_arena() -> None:
    """Let glibc keep few heaps: with a thread per session, one for each would hold on to memory that nobody uses."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(-8, 2)  # M_ARENA_MAX


def _workers(cluster: config.Cluster) -> int:
    transport = cluster.transport
    parallel = transport.parallel if isinstance(transport, config.Ssh) else 4
    return min(parallel, len(cluster.nodes)) + 2 * len(cluster.remotes) + 2
