"""Whether a stored object lacks anything of what was rendered."""

from typing import Any

from burnish_operator.api import InvalidQuantity, parse_quantity

_QUANTITIES = frozenset({"limits", "requests", "emptyDir"})


def differs(wanted: Any, stored: Any, parent: str = "", key: str = "") -> bool:
    """True where `stored` does not hold all of `wanted`. What others added does not count.

    Lists are compared item by item and in length; quantities by value ("1000m" is "1").
    """
    if wanted == stored:
        # Most parts are stored as they were sent, and comparing them whole is many times as fast.
        return False
    if isinstance(wanted, dict):
        held = stored if isinstance(stored, dict) else {}
        return any(differs(value, held.get(name), key, name) for name, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(stored, list) or len(wanted) != len(stored):
            return True
        return any(differs(one, other, parent, key) for one, other in zip(wanted, stored, strict=True))
    if parent in _QUANTITIES and stored is not None:
        return not _same_quantity(wanted, stored)
    return True


def _same_quantity(one: Any, other: Any) -> bool:
    try:
        return parse_quantity(one) == parse_quantity(other)
    except InvalidQuantity:
        return bool(one == other)
