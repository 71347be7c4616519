"""Azure ML's ways to log in. Here a server knows its users by tokens: ``TokenAuthentication`` brings one; the others keep
their signatures and use the token that config.json or the environment names, with a warning."""

from __future__ import annotations

import os
import warnings
from enum import Enum
from typing import Any, Callable

from azureml.exceptions import AuthenticationException
from roost.client import RoostError, local_server


class Audience(Enum):
    """What a token is for; here there is the server alone."""

    ARM = "ARM"
    AZUREML = "AZUREML"

    def __repr__(self) -> str:
        return f"Audience.{self.name}"


class AbstractAuthentication:
    """What ``auth`` of a workspace is; after it was given to one, it has that server's token."""

    def __init__(self) -> None:
        self._token: str | None = None

    def _own_token(self) -> str | None:
        """A token that this login itself brings."""
        return None

    def _bind(self, token: str) -> None:
        self._token = token

    def get_authentication_header(self) -> dict[str, str]:
        """The header that the server's REST expects."""
        return {"Authorization": f"Bearer {self._known_token()}"}

    def signed_session(self, session: Any = None) -> Any:
        """``session``, or a new one of the package requests, with the header set."""
        if session is None:
            import requests

            session = requests.Session()
        session.headers.update(self.get_authentication_header())
        return session

    def _known_token(self) -> str:
        token = self._own_token() or self._token or os.environ.get("ROOST_TOKEN")
        if token:
            return token
        try:
            return local_server()[1].read_text().strip()
        except RoostError as error:
            raise AuthenticationException(f"no token is known: {error.message}") from error


class _NoLogin(AbstractAuthentication):
    """A login at Azure, which has no meaning for a server with tokens."""

    def __init__(self) -> None:
        super().__init__()
        warnings.warn(f"{type(self).__name__} logs in to Azure, which Roost does not need; the token that config.json or ROOST_TOKEN names is used",
                      stacklevel=3)  # fmt: skip

    def get_token(self, *scopes: str, **kwargs: Any) -> str:
        return self._known_token()


class InteractiveLoginAuthentication(_NoLogin):
    def __init__(self, force: bool = False, tenant_id: str | None = None, cloud: str | None = None):
        super().__init__()


class AzureCliAuthentication(_NoLogin):
    def __init__(self, cloud: str | None = None):
        super().__init__()


class MsiAuthentication(_NoLogin):
    def __init__(self, cloud: str | None = None, **kwargs: Any):
        super().__init__()


class ServicePrincipalAuthentication(_NoLogin):
    def __init__(self, tenant_id: str, service_principal_id: str, service_principal_password: str, cloud: str = "AzureCloud",
                 _enable_caching: bool = True):  # fmt: skip
        super().__init__()


class TokenAuthentication(AbstractAuthentication):
    """``get_token_for_audience`` is called with the audience and gives the server's token."""

    def __init__(self, get_token_for_audience: Callable[[Audience], str], cloud: str | None = None):
        super().__init__()
        if not callable(get_token_for_audience):
            raise AuthenticationException("get_token_for_audience must be a function of the audience that gives a token")
        self._get = get_token_for_audience

    def _own_token(self) -> str:
        return self.get_token()

    def get_token(self, audience: Audience = Audience.ARM) -> str:
        return self._get(audience)
