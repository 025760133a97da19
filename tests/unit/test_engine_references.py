"""References and credentials: what parses, what is refused, and that secrets stay out of sight."""

import base64
import json

import pytest

from burnish_engine.errors import InvalidReference
from burnish_engine.oci import auth
from burnish_engine.oci.reference import Reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    "text",
    [
        "oci://r.example/models/a:1",
        f"oci://r.example:5000/a@{DIGEST}",
        f"oci://r/a/b:x@{DIGEST}",
        "oci://[::1]:5000/a",
    ],
)
def test_references_print_as_they_were_read(text: str) -> None:
    assert str(Reference.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "oci://",
        "oci://host",
        "oci://h/Upper:1",
        "oci://h/a:",
        "oci://h/a@sha256:1",
        "oci://h/a b",
        "h/a:1\n",
    ],
)
def test_what_is_no_reference_is_refused_with_the_grammar(text: str) -> None:
    with pytest.raises(InvalidReference, match="expected oci://host"):
        Reference.parse(text)


def test_a_digest_wins_over_a_tag() -> None:
    assert Reference.parse(f"h/a:1@{DIGEST}").identifier == DIGEST
    assert Reference.parse("h/a").identifier == "latest"


def test_logins_are_read_by_host() -> None:
    secret = base64.b64encode(b"me:pass:word").decode()
    text = json.dumps(
        {"auths": {"https://r.example/v1/": {"auth": secret}, "b:5000": {"username": "u", "password": "p"}}}
    )
    logins = auth.logins_from_config(text)
    assert logins["r.example"].password == "pass:word"
    assert logins["b:5000"].username == "u"
    assert "pass:word" not in repr(logins)
    assert "pass:word" not in str(logins["r.example"])


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", '{"auths": {"h": {"auth": "%%%"}}}', '{"auths": {"h": {"username": "u"}}}'),
        *('{"auths": {"h": {"auth": 5}}}', '{"auths": {"h": "x"}}', "\ufffd"),
    ],
)
def test_a_broken_docker_config_is_named(text: str) -> None:
    with pytest.raises(auth.InvalidCredentials, match="docker login"):
        auth.logins_from_config(text, "/etc/config.json")


def test_an_entry_without_a_user_does_not_hide_the_others() -> None:
    text = '{"auths": {"helped": {}, "h": {"email": "me@h"}, "b": {"username": "u", "password": "p"}}}'
    assert set(auth.logins_from_config(text)) == {"b"}


def test_challenges_are_taken_apart() -> None:
    scheme, parameters = auth.parse_challenge(
        'Bearer realm="https://a/t",service="r",scope="repository:x:pull"'
    )
    assert scheme == "bearer"
    assert parameters == {"realm": "https://a/t", "service": "r", "scope": "repository:x:pull"}
