"""Unprivileged users of this machine, for servers that refuse root and for logins that may do little."""

import pwd
import subprocess


def make_account(name: str, *options: str) -> None:
    """A system user of this name, made with more options of `useradd` unless it is there."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", *options, name], check=True)
