"""Kubernetes quantities (`500m`, `2Gi`, `1e3`) as exact decimals."""

import re
from decimal import Decimal

from burnish_engine.errors import StalledError

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_FORM = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]))?$")


class InvalidQuantity(StalledError):
    """Text that no Kubernetes API would take as a quantity."""


def parse_quantity(text: str | int | float) -> Decimal:
    """The value in the base unit: cores, bytes or items.

    Source: `k8s.io/apimachinery/pkg/api/resource`, serialization format of Quantity.
    Raises: InvalidQuantity: the text has another form.
    """
    match = _FORM.fullmatch(str(text))
    if match is None:
        raise InvalidQuantity(
            f"quantity {text!r}",
            found="no number with a unit of Kubernetes",
            expected="such as 500m, 2 or 4Gi",
            remedy="Mind the case: Mi and Gi are powers of two, M and G powers of ten, m is a thousandth.",
        )
    number, exponent, unit = match.groups()
    if exponent:
        return Decimal(number + exponent)
    if unit in _BINARY:
        return Decimal(number) * (1 << _BINARY[unit])
    return Decimal(number).scaleb(_DECIMAL[unit or ""])
