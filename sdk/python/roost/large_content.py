"""One large content for the server, over as many connections as it takes: what has arrived is not sent again."""

from __future__ import annotations

import time
from typing import Callable, Iterator

from roost.client import Client, RoostError

LARGE = 64 << 20  # smaller ones go many in one stream


def send_content(client: Client, digest: str, size: int, pieces: Callable[[int], Iterator[bytes]], patience: float = 120.0) -> None:
    """``pieces(offset)`` gives the content behind its first ``offset`` bytes. The patience begins anew with all that arrives.

    A content that is not what its digest says is a RoostError with the code ``invalid_argument``.
    """
    path, most, anew = f"/blobs/{digest}", 0, False
    deadline, pause = time.monotonic() + patience, 0.1
    while True:
        state = client.get(path)
        if state["complete"]:
            return
        received = state["received"]
        if received > most:
            most, deadline, pause = received, time.monotonic() + patience, 0.1
        offset = 0 if anew or received > size else received
        try:
            client.put_stream(path, pieces(offset), size - offset, offset=offset)
            return
        except RoostError as error:
            if error.code == "invalid_argument" and offset:
                anew = True  # somebody had sent another beginning
                continue
            # A conflict: another connection has brought more of it meanwhile.
            if error.code not in ("unavailable", "conflict") or time.monotonic() + pause > deadline:
                raise
        anew = False
        time.sleep(pause)
        pause = min(pause * 2, 2.0)
