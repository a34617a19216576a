"""Where proofs by handshake are made: markers and their keys, listeners on the nodes' hosts, what connected to them.

Opening and closing take seconds (Elasticsearch's keystore tool), so both run in a thread of their own; a pass only
begins them, and reads how far they are. Order makes a crash at any line harmless: the record in the cluster comes
first and goes last, so that the next life knows on which nodes something may be left.
"""

import base64
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import Lock, Thread
from time import monotonic

from syncd.core.bundle import Cert, Digest
from syncd.core.errors import PermitLost, SyncdError
from syncd.core.model import (
    CloseProof,
    Context,
    NodeName,
    OpenProof,
    ProofState,
    ProofTarget,
    Sighting,
    credential_setting,
)
from syncd.core.proof.handshake import SERVER_NAME
from syncd.engine.hosts import keystore
from syncd.engine.reload import tell
from syncd.engine.rings import PROOF
from syncd.engine.world import World
from syncd.ports import Deadline, Listening, Marker, Ring, Stream, now

_LOG = logging.getLogger(__name__)
_AT_ONCE = 16
_SECONDS = 30.0
"""For each call; the keystore tool starts a JVM."""
_AGAIN = timedelta(minutes=5)
"""After a proof that failed."""
_NUDGE = 1.0
"""Seconds between requests that make a node connect once more."""
_MOST_MARKERS = 16
_DUMMY = base64.b64encode(b"syncd:proof")
"""Any value makes the nodes use their remote_cluster_client trust; nothing ever asks whether it is right."""


class HandshakeProofs:
    """The proofs by handshake of one cluster."""

    def __init__(self, world: World, ring: Ring, *, able: bool = True) -> None:
        self._world = world
        self._ring = ring
        self._lock = Lock()
        self._state = ProofState(able=able)
        self._markers: dict[Digest, Marker] = {}
        self._tunnels: dict[NodeName, Listening] = {}
        self._sightings: dict[NodeName, Sighting] = {}
        self._nudged = 0.0

    @property
    def state(self) -> ProofState:
        """How far the proof is."""
        return self._state

    @property
    def sightings(self) -> tuple[Sighting, ...]:
        """What connected and accepted its marker, in the latest proof."""
        with self._lock:
            return tuple(self._sightings.values())

    def marker(self, digest: Digest) -> Cert:
        """The marker of a bundle: minted once, its key kept for as long as it may be needed."""
        with self._lock:
            if digest not in self._markers:
                self._markers[digest] = self._world.handshakes.mint(f"syncd {digest[:16]}", SERVER_NAME)
                for old in list(self._markers)[:-_MOST_MARKERS]:
                    del self._markers[old]
                held = frozenset(marker.cert.fingerprint for marker in self._markers.values())
                self._state = replace(self._state, markers=held)
            return self._markers[digest].cert

    def unseen(self) -> tuple[NodeName, ...]:
        """The nodes that should be asked to connect once more, now."""
        with self._lock:
            if self._state.busy or monotonic() - self._nudged < _NUDGE:
                return ()
            self._nudged = monotonic()
            return tuple(self._state.nodes - set(self._sightings))

    def open(self, step: OpenProof) -> None:
        """Begin to open."""
        self._begin(lambda: self._open(step))

    def close(self, step: CloseProof) -> None:
        """Begin to close."""
        self._begin(lambda: self._close(step))

    def stop(self) -> None:
        """Let go of the listeners; what is left in the cluster is for the next life."""
        with self._lock:
            tunnels, self._tunnels = self._tunnels, {}
        for tunnel in tunnels.values():
            tunnel.close()

    # --- in a thread of its own

    def _begin(self, work: Callable[[], None]) -> None:
        with self._lock:
            if self._state.busy:
                return
            self._state = replace(self._state, busy=True)
        Thread(target=self._do, args=(work,), name="proof", daemon=True).start()

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except SyncdError as error:
            self._give_up(str(error))
        except Exception as error:  # noqa: BLE001 - a fault of syncd's own: told, tried again, nothing else stops
            _LOG.exception("a proof by handshake failed in a way syncd did not expect")
            self._give_up(f"an error that syncd did not expect ({type(error).__name__})")
        with self._lock:
            self._state = replace(self._state, busy=False, changed=now())
        self._ring(PROOF)

    def _give_up(self, trouble: str) -> None:
        with self._lock:
            self._state = replace(self._state, nodes=frozenset(), again=now() + _AGAIN, trouble=trouble)

    def _open(self, step: OpenProof) -> None:
        es, nodes = self._world.elasticsearch, frozenset(target.node for target in step.targets)
        with self._lock:
            self._sightings = {}
        es.note_proof(nodes, self._permitted())
        failed = _each({target.node: partial(self._prepare, target) for target in step.targets})
        said = tell(self._world, self._permitted())
        failed |= {name: text for name, text in said.items() if text}
        ready = nodes - set(failed)
        with self._lock:
            self._state = replace(self._state, nodes=ready, opened=now(), trouble=_told(failed))
        if not ready:
            self._give_up(_told(failed))
            return
        es.point_proof(f"127.0.0.1:{self._world.proof_port}", self._permitted())

    def _prepare(self, target: ProofTarget) -> None:
        host = self._world.fleet.host(target.node)
        tunnel = host.listen(self._world.proof_port, lambda stream: self._meet(target, stream), self._permitted())
        with self._lock:
            self._tunnels[target.node] = tunnel
        keystore.add(host, self._world.tools[target.node], self._setting, _DUMMY, self._permitted())

    def _meet(self, target: ProofTarget, stream: Stream) -> None:
        """Something connected to the listener of a node."""
        marker = self._markers.get(target.digest)
        try:
            accepted = marker is not None and self._world.handshakes.answer(stream, marker, Deadline.after(_SECONDS))
        finally:
            stream.close()
        if not accepted:
            return
        sight = Sighting(
            target.node, Context.REMOTE_CLUSTER_CLIENT, target.digest, target.process_started, "handshake", now()
        )
        with self._lock:
            new = target.node not in self._sightings
            self._sightings[target.node] = sight
        if new:
            self._ring(PROOF)

    def _close(self, step: CloseProof) -> None:
        self.stop()
        es = self._world.elasticsearch
        es.point_proof(None, self._permitted())
        failed = _each({node: partial(self._clear, node) for node in step.nodes})
        tell(self._world, self._permitted())
        es.note_proof(frozenset(step.left) | set(failed), self._permitted())
        with self._lock:
            state = self._state
            unseen = sorted(state.nodes - set(self._sightings))
            self._state = replace(state, nodes=frozenset(), opened=None)
        if unseen or failed or state.trouble:
            awaited = f"no connection came from {', '.join(unseen)}" if unseen else ""
            self._give_up("; ".join(filter(None, (awaited, _told(failed), state.trouble))))
        else:
            with self._lock:
                self._state = replace(self._state, again=None, trouble="")

    def _clear(self, node: NodeName) -> None:
        keystore.remove(self._world.fleet.host(node), self._world.tools[node], self._setting, self._permitted())

    @property
    def _setting(self) -> str:
        return credential_setting(self._world.policy.proof_alias)

    def _permitted(self) -> Deadline:
        """Time for one more call, if the permit is still held. Raises PermitLost."""
        if not self._world.permit.valid():
            raise PermitLost("standby", "the permit was lost in the middle of a proof; its next holder clears up")
        return Deadline.after(_SECONDS)


def _each(jobs: Mapping[NodeName, Callable[[], None]]) -> dict[NodeName, str]:
    """Do something on many nodes at once; what failed, by node: one that fails does not stop the others."""
    failed: dict[NodeName, str] = {}
    with ThreadPoolExecutor(_AT_ONCE, "proof") as pool:
        futures = {name: pool.submit(job) for name, job in jobs.items()}
    for name, future in futures.items():
        try:
            future.result()
        except SyncdError as error:
            failed[name] = str(error)
    return failed


def _told(failed: dict[NodeName, str]) -> str:
    return "; ".join(f"{name}: {text}" for name, text in sorted(failed.items()))
