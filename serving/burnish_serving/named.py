"""`NAME=ENGINE`: which engine is served under which name."""

import re

from burnish_engine.oci.reference import SCHEME, Reference
from burnish_serving.errors import InvalidSettings

# A name is a part of a URL and a label; a path or an address has a slash or a colon before its first "=".
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,127})=(?P<engine>.+)", re.DOTALL)

Named = tuple[str | None, str]


def parse_named(text: str) -> Named:
    """The name, None where none is given, and the engine.

    >>> parse_named("pages=oci://r.example/pages@sha256:0"), parse_named("/engines/a=b")
    (('pages', 'oci://r.example/pages@sha256:0'), (None, '/engines/a=b'))
    """
    match = _NAMED.fullmatch(text)
    return (match["name"], match["engine"]) if match else (None, text)


def parse_engines(texts: tuple[str, ...], only_name: str | None) -> tuple[Named, ...]:
    """All engines of a server.

    Args: only_name: the name of a single engine, given apart.
    Raises: InvalidSettings: a name for several, or one name twice.
    """
    named = tuple(parse_named(text) for text in texts)
    if only_name:
        if len(named) > 1 or named[0][0]:
            raise InvalidSettings(
                "model_name", found=repr(only_name), expected="one engine without a name; write NAME=ENGINE"
            )
        named = ((only_name, named[0][1]),)
    names = [name for name, _ in named if name]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidSettings("engine", found=f"{', '.join(twice)} twice", expected="a name for each engine")
    return named


def repositories(named: tuple[Named, ...], further: tuple[str, ...]) -> tuple[str, ...]:
    """Where engines may be loaded from by request: the repositories of the engines, and further ones.

    Raises: InvalidReference.
    """
    own = [Reference.parse(engine).name for _, engine in named if engine.startswith(SCHEME)]
    return tuple(dict.fromkeys([*own, *(Reference.parse(text).name for text in further)]))
