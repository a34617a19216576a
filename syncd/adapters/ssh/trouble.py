"""What went wrong on a host, found out where SFTP does not say: most failures come as the one word 'Failure'."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, ENOENT
from posixpath import dirname

import paramiko
from paramiko.sftp import CMD_EXTENDED

from syncd.adapters.ssh.sftp import Sftp
from syncd.core.errors import HostError

NOT_A_FILE = "A link or special file at this place is never followed; move it away"


def diagnose(sftp: Sftp, where: str, path: str, error: OSError) -> HostError:
    """The error of an SFTP request with a rule of its own, as far as looking again tells."""
    place = f"{where}:{path}"
    if error.errno == ENOENT:
        cure = "Check layout.config_dir and layout.bundle_dir; syncd makes no folders"
        return HostError("io", f"there is no folder {dirname(path)}", where=place, cure=cure)
    if error.errno == EACCES:
        cure = "Use become: sudo, or a folder that the SSH user owns (layout.bundle_dir)"
        return HostError("no_permission", "permission denied", where=place, cure=cure)
    with suppress(OSError, EOFError, paramiko.SSHException):
        if not stat.S_ISREG(sftp.lstat(path).st_mode or 0):
            return HostError("not_a_file", "there is no regular file", where=place, cure=NOT_A_FILE)
    with suppress(OSError, EOFError, paramiko.SSHException):
        free, read_only = _volume(sftp, dirname(path))
        if read_only:
            return HostError("read_only", "the file system is read-only", where=place, cure="Remount it")
        if not free:
            return HostError("disk_full", "the disk is full", where=place, cure="Free some space; nothing was changed")
    return HostError("io", f"the host answered: {error}", where=place)


def not_atomic(extension: str) -> HostError:
    """A server that cannot write safely is not written to."""
    cure = "Use OpenSSH's own SFTP server (Subsystem sftp internal-sftp)"
    return HostError("not_atomic", f"its SFTP server lacks {extension}, which a safe write needs", cure=cure)


@contextmanager
def told(where: str) -> Iterator[None]:
    """Errors of channels as HostError."""
    try:
        yield
    except TimeoutError as error:
        raise HostError("timeout", "the peer did not answer in time", where=where) from error
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise HostError("io", f"the connection broke: {error or type(error).__name__}", where=where) from error


def _volume(sftp: Sftp, folder: str) -> tuple[int, bool]:
    """(blocks free for others than root, read-only) by statvfs@openssh.com."""
    answer = sftp.batch((CMD_EXTENDED, b"statvfs@openssh.com", folder.encode()))[0].done()
    numbers = [answer.get_int64() for _ in range(11)]
    return numbers[4], bool(numbers[9] & 1)
