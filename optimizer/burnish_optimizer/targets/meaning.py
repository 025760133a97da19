"""What facts mean for people: one line a thing that decides which recipes are tried. Pure."""

from collections.abc import Mapping

from burnish_engine.base import Record
from burnish_optimizer.targets import implications as implied


class Meaning(Record):
    """A thing that this machine has or has not. value: yes or no; text: what follows."""

    name: str
    value: bool
    text: str


def meanings(facts: Mapping[str, str]) -> tuple[Meaning, ...]:
    """Number formats that are computed natively, what saturates, and what a GPU adds."""
    return (
        _format("BF16", implied.has_bf16(facts), implied.BF16, facts),
        _format("FP16", implied.has_fp16(facts), implied.FP16, facts),
        _format("INT8 dot product", implied.has_int8_dot(facts), implied.INT8_DOT, facts),
        Meaning(name="u8 × s8 saturates", value=implied.saturates_u8s8(facts), text=_saturation(facts)),
        Meaning(name="FP8", value=implied.has_fp8(facts), text=_fp8(facts)),
    )


def _format(name: str, native: bool, by: frozenset[str], facts: Mapping[str, str]) -> Meaning:
    if native:
        text = f"native: {', '.join(sorted(implied.features(facts) & by))}"
    else:
        text = f"emulated: none of {', '.join(sorted(by))}"
    return Meaning(name=name, value=native, text=text)


def _saturation(facts: Mapping[str, str]) -> str:
    if implied.saturates_u8s8(facts):
        return "products are summed in 16 bits: INT8 weights get 7 bits"
    return "products are summed in 32 bits: INT8 weights keep 8 bits"


def _fp8(facts: Mapping[str, str]) -> str:
    found = implied.capability(facts)
    if found is None:
        return "no NVIDIA device; FP8 is from compute capability 8.9"
    return f"compute capability {found[0]}.{found[1]}; FP8 is from 8.9"
