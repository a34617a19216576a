"""What befalls hosts and the files on them."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.bed.sshd import children, send
from tests.bed.waiting import wait_for
from tests.soak.fault import Fault
from tests.soak.world import WITHIN, Member, World

_REPAIR = WITHIN + 15


@contextmanager
def sshd_stopped(world: World) -> Iterator[None]:
    host = (member := world.any()).host
    with world.unreachable(member):
        host.stop()
        try:
            yield
        finally:
            host.start()


@contextmanager
def sshd_frozen(world: World) -> Iterator[None]:
    host = (member := world.any()).host
    with world.unreachable(member):
        host.freeze()
        try:
            yield
        finally:
            host.thaw()


@contextmanager
def host_key_changed(world: World) -> Iterator[None]:
    host = (member := world.any()).host
    key, public = host.folder / "host_key", host.folder / "host_key.pub"
    kept = key.read_bytes(), public.read_bytes()
    with world.unreachable(member):
        host.stop()
        host.make_host_key()
        host.start()
        before = member.trust.read_bytes()
        try:
            wait_for(lambda: "host_key" in world.site.rules(), 60, "a hold that names the host key")
            yield
            if member.trust.read_bytes() != before:
                world.ledger.violation(f"{member.name} was written to though its host key had changed")
        finally:
            host.stop()
            key.write_bytes(kept[0])
            public.write_bytes(kept[1])
            host.start()


@contextmanager
def connections_cut(world: World) -> Iterator[None]:
    """Sessions are killed at random moments, in the middle of whatever goes on in them."""
    members = world.random.sample(world.members, 3)
    done = threading.Event()

    def cut() -> None:
        while not done.wait(0.15):
            for member in members:
                if member.host.process:
                    for pid in children(member.host.process.pid):
                        send(pid, signal.SIGKILL)

    with world.unreachable(*members):
        worker = threading.Thread(target=cut)
        worker.start()
        try:
            yield
        finally:
            done.set()
            worker.join()


@contextmanager
def owner_changed(world: World) -> Iterator[None]:
    member = world.any()
    status = member.trust.stat()
    os.chown(member.trust, status.st_uid + 1, status.st_gid)
    wait_for(lambda: member.trust.stat().st_uid == status.st_uid, _REPAIR, f"the owner of {member.name} repaired")
    yield


@contextmanager
def mode_changed(world: World) -> Iterator[None]:
    member = world.any()
    mode = member.trust.stat().st_mode
    member.trust.chmod(world.random.choice((0o600, 0o666, 0o400)))
    wait_for(lambda: member.trust.stat().st_mode == mode, _REPAIR, f"the mode of {member.name} repaired")
    yield


@contextmanager
def symlink_planted(world: World) -> Iterator[None]:
    """It leads to a file that must stay as it is."""
    member = world.any()
    aside, victim = member.trust.with_name("aside"), member.trust.with_name("victim")
    victim.write_text("precious")
    with world.unreachable(member), world.tampering(member):
        member.trust.rename(aside)
        member.trust.symlink_to(victim)
        try:
            wait_for(lambda: "not_a_file" in world.site.rules(), 30, "a hold that names the link")
            yield
            if not member.trust.is_symlink() or victim.read_text() != "precious":
                world.ledger.violation(f"the link on {member.name} was followed or replaced")
        finally:
            member.trust.unlink()
            aside.rename(member.trust)
            victim.unlink()


@contextmanager
def garbage_written(world: World) -> Iterator[None]:
    member = world.any()
    good, garbage = member.trust.read_bytes(), world.random.randbytes(400)
    with world.unreachable(member), world.tampering(member):
        member.write(garbage)
        try:
            world.linger(6, 12)
            yield
            if member.trust.read_bytes() != garbage:
                world.ledger.violation(f"what could not be read on {member.name} was written over")
        finally:
            member.write(good)


@contextmanager
def file_deleted(world: World) -> Iterator[None]:
    """syncd makes it anew; what was not syncd's went with it, and its owner puts it back."""
    member = world.any()
    with world.tampering(member):
        member.trust.unlink()
        wait_for(lambda: world.published.cert in member.read(), _REPAIR, f"the file of {member.name} made anew")
        _put_back(world, member)
    yield


def _put_back(world: World, member: Member) -> None:
    if world.foreign[member.name]:
        certs = member.read() | world.foreign[member.name]
        member.write(b"".join(cert.pem for cert in certs))


@contextmanager
def foreign_certificate_added(world: World) -> Iterator[None]:
    """Somebody else's trust, which stays for ever."""
    member = world.any()
    cert = EckCa.create(now(), cluster=f"company-{world.random.randint(0, 9999)}").cert
    member.write(member.trust.read_bytes() + cert.pem)
    world.foreign[member.name].add(cert)
    yield


@contextmanager
def log_rotated(world: World) -> Iterator[None]:
    """Copied and cut, as logrotate's copytruncate does: the process writes on into the same file."""
    member = world.any()
    world.logs_cut += 1
    shutil.copy(member.log, member.log.with_name(f"{member.log.name}.{world.logs_cut}"))
    os.truncate(member.log, 0)
    yield


FAULTS = (
    Fault(sshd_stopped),
    Fault(sshd_frozen),
    Fault(host_key_changed),
    Fault(connections_cut),
    Fault(owner_changed),
    Fault(mode_changed),
    Fault(symlink_planted),
    Fault(garbage_written),
    Fault(file_deleted),
    Fault(foreign_certificate_added),
    Fault(log_rotated),
)
