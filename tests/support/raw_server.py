"""A server on loopback that says whatever a test has it say, byte by byte."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass
class RawServer:
    """What became of it."""

    port: int
    over: threading.Event = field(default_factory=threading.Event)
    """Set once the test is over."""
    connections: int = 0

    def drip(self, connection: socket.socket, sent: bytes, times: int = 400) -> None:
        """Send bytes one at a time, again and again: for 20 seconds unless the test ends before."""
        for number in range(times):
            connection.sendall(sent[number % len(sent) :][:1])
            if self.over.wait(0.05):
                return


def read_request(connection: socket.socket) -> bytes:
    """Read a request whole; less than that if the connection ends."""
    read = b""
    while True:
        head, ended, body = read.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if ended and len(body) >= (int(length[1]) if length else 0):
            return read
        more = connection.recv(65536)
        if not more:
            return read
        read += more


@contextmanager
def raw_server(script: Callable[[RawServer, socket.socket], None]) -> Iterator[RawServer]:
    """Run a script for each connection, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = RawServer(listening.getsockname()[1])
        threads: list[threading.Thread] = []
        connections: list[socket.socket] = []

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.settimeout(30)
                script(server, connection)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    server.connections += 1
                    connections.append(connection)
                    # As daemons they are nothing that a command in this process would wait for.
                    threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
                    threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server
        finally:
            server.over.set()
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for connection in connections:
                # A client in this process may keep it open until memory is tidied up.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
