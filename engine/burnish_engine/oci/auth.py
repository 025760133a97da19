"""Who we are to a registry: docker's `config.json`, Basic, and the Bearer token exchange.

Source: distribution specification, "Authentication" (token flow of the Docker registry, RFC 6750).
"""

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import httpx
from pydantic import Field

from burnish_engine.base import Record
from burnish_engine.errors import StalledError

_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class InvalidCredentials(StalledError):
    """A docker `config.json` that cannot be read."""


class Login(Record):
    """One user name and password (or token) for one registry."""

    username: str
    password: str = Field(repr=False)

    @property
    def header(self) -> str:
        """Value of an `Authorization` header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def logins_from_config(text: str, source: str = "config.json") -> dict[str, Login]:
    """Logins by host, from the text of a docker `config.json`.

    Raises: InvalidCredentials: no JSON, or an `auth` that is no base64 of `user:password`.
    """
    try:
        auths = json.loads(text).get("auths", {})
        return {_host(key): _login(entry) for key, entry in auths.items() if _names_a_user(entry)}
    except (ValueError, AttributeError, KeyError, TypeError, binascii.Error) as error:
        raise InvalidCredentials(
            source,
            found="something that is no docker config",
            expected='{"auths": {"host": {"auth": base64 of user:password}}}',
            remedy="Create it with `docker login` or `kubectl create secret docker-registry`.",
        ) from error


def _host(key: str) -> str:
    return key.removeprefix("https://").removeprefix("http://").split("/", 1)[0]


def _names_a_user(entry: Mapping[str, str]) -> bool:
    """An entry may hold nothing for us: only an address, or a pointer to a credential helper."""
    return bool(entry.get("auth") or entry.get("username"))


def _login(entry: Mapping[str, str]) -> Login:
    if entry.get("auth"):
        username, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
        return Login(username=username, password=password)
    return Login(username=entry["username"], password=entry["password"])


def logins_from_environment(environment: Mapping[str, str] = os.environ) -> dict[str, Login]:
    """Logins from `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`; none if absent."""
    folder = Path(environment.get("DOCKER_CONFIG") or Path(environment.get("HOME", "/")) / ".docker")
    for name in ("config.json", ".dockerconfigjson"):
        if (folder / name).is_file():
            return logins_from_config((folder / name).read_text(errors="replace"), str(folder / name))
    return {}


def parse_challenge(header: str) -> tuple[str, dict[str, str]]:
    """Split a `WWW-Authenticate` header into its scheme (lower case) and parameters.

    >>> parse_challenge('Bearer realm="https://a/t",service="r"')
    ('bearer', {'realm': 'https://a/t', 'service': 'r'})
    """
    scheme, _, rest = header.partition(" ")
    return scheme.lower(), dict(_PARAMETER.findall(rest))


def fetch_token(
    http: httpx.Client, parameters: Mapping[str, str], scope: str, login: Login | None
) -> str | None:
    """Exchange a login (or nothing) for a token at the challenge's realm; None if it is refused."""
    query = {"scope": parameters.get("scope") or scope, "service": parameters.get("service", "")}
    headers = {"Authorization": login.header} if login else {}
    response = http.get(parameters["realm"], params=query, headers=headers)
    if response.status_code in (401, 403):
        return None
    response.raise_for_status()
    try:
        body = response.json()
        token = body.get("token") or body.get("access_token")
    except (ValueError, AttributeError) as error:
        message = f"{response.url.host} answered with something that is no token"
        raise httpx.DecodingError(message, request=response.request) from error
    return str(token) if token else None
