"""Messages in protobuf's text format, written by hand: this root needs no protobuf.

A message is a mapping of field to value: a text, a number, a truth value, an `Enum` (a bare word), a message,
or a list of these (a repeated field). A protobuf map is a list of `{"key": …, "value": …}`, as on the wire.
Source: Protocol Buffers, "Text Format Language Specification".
"""

from collections.abc import Iterator, Mapping, Sequence

INDENT = "  "
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Enum(str):
    """The name of an enum's value."""

    __slots__ = ()


Message = Mapping[str, object]


def write(message: Message) -> str:
    """One field a line, messages indented; lists of numbers and words on one line."""
    return "".join(f"{line}\n" for line in _lines(message))


def mapped(values: Mapping[str, object]) -> list[Message]:
    """A protobuf map."""
    return [{"key": key, "value": value} for key, value in values.items()]


def _lines(message: Message) -> Iterator[str]:
    for name, value in message.items():
        if isinstance(value, Mapping):
            yield from _nested(name, value)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield from _repeated(name, value)
        else:
            yield f"{name}: {_scalar(value)}"


def _nested(name: str, message: Message) -> Iterator[str]:
    yield f"{name} {{"
    yield from (f"{INDENT}{line}" for line in _lines(message))
    yield "}"


def _repeated(name: str, values: Sequence[object]) -> Iterator[str]:
    scalars = [_scalar(value) for value in values if not isinstance(value, Mapping)]
    if scalars:
        yield f"{name}: [{', '.join(scalars)}]"
    for value in values:
        if isinstance(value, Mapping):
            yield from _nested(name, value)


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum) or not isinstance(value, str):
        return str(value)
    return f'"{"".join(_character(letter) for letter in value)}"'


def _character(letter: str) -> str:
    """As it is, or its UTF-8 bytes in octal where it is a control character."""
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter.isprintable():
        return letter
    return "".join(f"\\{byte:03o}" for byte in letter.encode())
