"""What proves that a running process has loaded a file: its own log, its start, the names it accepts, a handshake."""
