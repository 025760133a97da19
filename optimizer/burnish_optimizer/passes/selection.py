"""Which passes a run takes: names that a person wrote, checked against the catalogue. Pure."""

from collections.abc import Sequence


def select(text: str, names: Sequence[str]) -> tuple[str, ...]:
    """`a,b`: these alone.   `-a,-b`: all but these.

    The catalogue's order holds, whatever the order of the text.
    Raises: ValueError: a name that no pass has, or nothing left.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word.removeprefix("-") not in names]
    if unknown or not words:
        raise ValueError(f"found {', '.join(unknown) or text!r}, expected some of {', '.join(names)}")
    removed = {word[1:] for word in words if word.startswith("-")}
    chosen = {word for word in words if not word.startswith("-")} or set(names)
    left = tuple(name for name in names if name in chosen - removed)
    if not left:
        raise ValueError(f"found {text!r}, which leaves no pass, expected some of {', '.join(names)}")
    return left
