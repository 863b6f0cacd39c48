"""A TCP proxy before Postgres or the data API that can lose a reply: it passes the request on and swallows the answer.

The server has done its work and committed; the caller meets a connection that was cut, and can not know.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_QUIET_S = 0.2


class LossyProxy:
    """Listens on 127.0.0.1; `lose_replies(1)` cuts the connection after the next request was answered."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._to_lose = 0
        self.lost = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_replies(self, count: int) -> None:
        """The next `count` answers get lost."""
        with self._lock:
            self._to_lose = count

    def close(self) -> None:
        """Stops listening; open connections end with their callers."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, self._connect() as server:
            armed = False
            while True:
                ready, _, _ = select.select([caller, server], [], [])
                for end in ready:
                    try:
                        data = end.recv(65_536)
                    except OSError:
                        return
                    if not data:
                        return
                    if end is caller:
                        with self._lock:
                            if self._to_lose and not armed:
                                self._to_lose -= 1
                                armed = True
                        server.sendall(data)
                    elif armed:
                        self._swallow(server)
                        with self._lock:
                            self.lost += 1
                        return
                    else:
                        caller.sendall(data)

    @staticmethod
    def _swallow(server: socket.socket) -> None:
        # The whole answer, so that the server is done with its work before the caller sees the cut.
        while select.select([server], [], [], _QUIET_S)[0] and server.recv(65_536):
            pass


def unix_connector(path: Path) -> Callable[[], socket.socket]:
    """Connects to a unix socket, as Postgres has it here."""

    def connect() -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(path))
        return server

    return connect


@contextmanager
def lossy(connect: Callable[[], socket.socket]) -> Iterator[LossyProxy]:
    """A proxy that is closed afterwards."""
    proxy = LossyProxy(connect)
    try:
        yield proxy
    finally:
        proxy.close()
