"""Regular files over SFTP, read and replaced whole; nothing here knows of sessions or deadlines."""

import stat
from contextlib import suppress
from errno import EACCES
from posixpath import basename, dirname, join

import paramiko
from paramiko import SFTPAttributes

from syncd.adapters.beside import STALE_AFTER, beside, prefix_beside
from syncd.adapters.ssh import sftp as ask
from syncd.adapters.ssh.sftp import Answer, Sftp
from syncd.adapters.ssh.trouble import NOT_A_FILE, not_atomic
from syncd.core.bundle import Digest, content_digest
from syncd.core.errors import ChangedUnderneath, HostError
from syncd.core.model import Ownership
from syncd.ports import Found

_MOST = 64 * 1_048_576
"""Most bytes of a target that are read to compare it with what was expected."""


def read(sftp: Sftp, path: str, limit: int) -> Found | None:
    """See `ports.Host.read`."""
    return _found(sftp, path, _status(sftp.batch(ask.lstat(path))[0], path), limit)


def owner_of(sftp: Sftp, path: str) -> Ownership | None:
    """See `ports.Host.owner`."""
    try:
        return _ownership(sftp.batch(ask.lstat(path))[0].attributes())
    except FileNotFoundError:
        return None


def fix_owner(sftp: Sftp, path: str, owner: Ownership, expect: Digest) -> None:
    """See `ports.Host.fix_owner`."""
    _expect(read(sftp, path, _MOST), path, expect)
    handle = sftp.batch(ask.open_to_change(path))[0].handle()  # a handle cannot be swapped for a link meanwhile
    given, _ = sftp.batch(ask.give(handle, owner), ask.close(handle))
    given.done()


def put(sftp: Sftp, path: str, content: bytes, owner: Ownership, expect: Digest | None, swept: set[str]) -> Found:
    """See `ports.Host.put`. `swept`: files beside which left-overs of crashed writes were looked for.

    SFTP cannot fsync a folder, so a power cut right after the rename may bring the old file back, whole.
    """
    temp = join(dirname(path), beside(basename(path)))
    try:
        there = _write_beside(sftp, temp, path, content, owner)
        if path not in swept:
            swept.add(path)
            _sweep(sftp, path, temp)
        _expect(_found(sftp, path, _status(there, path), _MOST), path, expect)
        found = _replace(sftp, temp, path, len(content) + 1)
    except BaseException:
        with suppress(OSError, EOFError, paramiko.SSHException):
            sftp.remove(temp)
        raise
    if found is None or found.content != content or found.owner != owner:
        raise HostError("io", "what was read back is not what was written", where=path)
    return found


def remove(sftp: Sftp, path: str, expect: Digest) -> None:
    """See `ports.Host.remove`. SFTP's own removal takes a link itself, never what it points to."""
    with suppress(OSError):
        _sweep_without_write(sftp, path)
    found = read(sftp, path, _MOST)
    if found is None:
        return
    _expect(found, path, expect)
    with suppress(FileNotFoundError):
        sftp.remove(path)


def _sweep_without_write(sftp: Sftp, path: str) -> None:
    """Remove left-overs where nothing is to be written; a new empty file tells what the clock of the host says."""
    probe = join(dirname(path), beside(basename(path)))
    handle = sftp.batch(ask.create(probe))[0].handle()
    sftp.batch(ask.close(handle))
    try:
        _sweep(sftp, path, probe)
    finally:
        sftp.remove(probe)


def _write_beside(sftp: Sftp, temp: str, path: str, content: bytes, owner: Ownership) -> Answer:
    """A new file with its owner and mode before its first byte, on disk when this returns; what the target is then."""
    handle = sftp.batch(ask.create(temp))[0].handle()
    given, *written, synced, closed, there = sftp.batch(
        ask.give(handle, owner), *ask.write(handle, content), ask.fsync(handle), ask.close(handle), ask.lstat(path)
    )
    for answer in (given, *written):
        answer.done()
    _synced(synced)
    closed.done()
    return there


def _replace(sftp: Sftp, temp: str, path: str, limit: int) -> Found | None:
    """Rename, and read back what is there then."""
    renamed, there = sftp.batch(ask.rename(temp, path), ask.lstat(path))
    try:
        renamed.done()
    except OSError as error:
        if "unsupported" in str(error).lower():
            raise not_atomic("posix-rename@openssh.com") from error
        raise
    return _found(sftp, path, _status(there, path), limit)


def _synced(answer: Answer) -> None:
    try:
        answer.done()
    except OSError as error:
        if error.errno == EACCES or "unsupported" in str(error).lower():  # nobody may not fsync what he has opened
            raise not_atomic("fsync@openssh.com") from error
        raise


def _sweep(sftp: Sftp, path: str, temp: str) -> None:
    """Remove what a crashed writer left beside the target; the new temp file tells what the clock of the host says."""
    prefix = prefix_beside(basename(path))
    clock = sftp.lstat(temp).st_mtime or 0
    for entry in sftp.listdir_attr(dirname(path)):
        old = clock - (entry.st_mtime or clock) > STALE_AFTER
        if entry.filename.startswith(prefix) and old:
            with suppress(OSError):
                sftp.remove(join(dirname(path), entry.filename))


def _status(answer: Answer, path: str) -> SFTPAttributes | None:
    """Of a regular file; None: nothing is there."""
    try:
        status = answer.attributes()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode or 0):
        kind = stat.filemode(status.st_mode or 0)
        raise HostError("not_a_file", f"there is no regular file but {kind}", where=path, cure=NOT_A_FILE)
    return status


def _found(sftp: Sftp, path: str, status: SFTPAttributes | None, limit: int) -> Found | None:
    if status is None:
        return None
    size = status.st_size or 0
    if size > limit:
        raise HostError("too_large", f"it has {size} bytes, more than the {limit} that are read", where=path)
    try:
        handle = sftp.batch(ask.open_to_read(path))[0].handle()
    except FileNotFoundError:
        return None
    return Found(ask.content_of(sftp, handle, size), _ownership(status), int(status.st_mtime or 0))


def _ownership(status: SFTPAttributes) -> Ownership:
    return Ownership(status.st_uid or 0, status.st_gid or 0, stat.S_IMODE(status.st_mode or 0))


def _expect(found: Found | None, path: str, expect: Digest | None) -> None:
    there = content_digest(found.content) if found else None
    if there != expect:
        raise ChangedUnderneath("changed", "the file is no longer what the plan was made from", where=path)
