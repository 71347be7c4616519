"""``ContainerRegistry``: where an image comes from."""

from __future__ import annotations


class ContainerRegistry:
    """``address`` is put before the image's name. The server pulls as its own user: log that user in there with the container
    tool; a name or password here is an error at submit."""

    def __init__(self) -> None:
        self.address: str | None = None
        self.username: str | None = None
        self.password: str | None = None
        self.registry_identity: object = None
