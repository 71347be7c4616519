"""A client of plain sockets for what one request of http_load cannot do: pages of a history, files."""

from __future__ import annotations

import json
import socket


class Connection:
    """One keep-alive connection whose answers are acknowledged at once."""

    def __init__(self, side):
        self.side = side
        self.socket = socket.create_connection(("127.0.0.1", side.port), timeout=300)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        self.buffer = memoryview(bytearray(1 << 20))

    def close(self) -> None:
        self.socket.close()

    def receive(self) -> memoryview:
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        count = self.socket.recv_into(self.buffer)
        if not count:
            raise SystemExit(f"{self.side.name} closed a connection")
        return self.buffer[:count]

    def request(self, method: str, path: str, body: bytes | memoryview = b"", keep: bool = True) -> tuple[int, bytes, int]:
        """Gives the status, the body (empty with keep=False) and its length."""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.side.port}\r\nAuthorization: Bearer {self.side.token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode())
        if len(body):
            self.socket.sendall(body)
        received = self.rest
        while b"\r\n\r\n" not in received:
            received += bytes(self.receive())
        head, _, first = received.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        if b"content-length" in fields:
            body, length = self.sized(first, int(fields[b"content-length"]), keep)
        else:
            body, length = self.chunked(first, keep)
        return int(head.split(b" ", 2)[1]), body, length

    def sized(self, first: bytes, length: int, keep: bool) -> tuple[bytes, int]:
        parts, have = [first] if keep else [], len(first)
        while have < length:
            piece = self.receive()
            have += len(piece)
            if keep:
                parts.append(bytes(piece))
        self.rest = b""
        return b"".join(parts), length

    def chunked(self, first: bytes, keep: bool) -> tuple[bytes, int]:
        parts, total, waiting = [], 0, first
        while True:
            while b"\r\n" not in waiting:
                waiting += bytes(self.receive())
            size, _, waiting = waiting.partition(b"\r\n")
            left = int(size, 16)
            total += left
            left += 2  # the line's end
            take = min(left, len(waiting))
            if keep:
                parts.append(waiting[:take])
            left, waiting = left - take, waiting[take:]
            while left:
                piece = self.receive()
                take = min(left, len(piece))
                if keep:
                    parts.append(bytes(piece[:take]))
                left -= take
                waiting = bytes(piece[take:])
            if size.strip(b"0") == b"":
                self.rest = waiting
                return b"".join(parts), total

    def json(self, method: str, path: str, body: bytes = b"") -> dict:
        status, text, _ = self.request(method, path, body)
        if status != 200:
            raise SystemExit(f"{self.side.name}: {method} {path}: {status} {text[:300]!r}")
        return json.loads(text)
