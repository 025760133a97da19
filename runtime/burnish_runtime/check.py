"""Do these tensors fit this model? Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from burnish_engine.descriptor import TensorSpec
from burnish_runtime.dtypes import BFLOAT16, carrier
from burnish_runtime.errors import InvalidInput, InvalidModel
from burnish_runtime.session import Array


def format_shape(shape: Sequence[int | None]) -> str:
    """A shape for people: `[?,3,224,224]`."""
    return f"[{','.join('?' if size is None else str(size) for size in shape)}]"


def names(found: Collection[str], specs: Sequence[TensorSpec]) -> None:
    """Exactly the model's inputs must be there.

    Raises: InvalidInput.
    """
    expected = [spec.name for spec in specs]
    wrong = sorted(set(found) ^ set(expected))
    if wrong:
        raise InvalidInput(
            "inputs",
            found=_listed(found),
            expected=_listed(expected),
            remedy=f"Missing or unknown: {_listed(wrong)}.",
        )


def shape(found: Sequence[int], spec: TensorSpec) -> None:
    """Rank and fixed dimensions must be the spec's.

    Raises: InvalidInput.
    """
    fits = len(found) == len(spec.shape) and all(
        want is None or have == want for have, want in zip(found, spec.shape, strict=True)
    )
    if not fits:
        raise InvalidInput(
            f"input {spec.name!r}",
            found=f"shape {format_shape(found)}",
            expected=f"shape {format_shape(spec.shape)}",
        )


def feeds(arrays: Mapping[str, Array], specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """The arrays as a backend takes them: C-contiguous and aligned, bfloat16 as its raw bits.

    Raises: InvalidInput: names, element types, ranks or fixed dimensions differ from the specs.
    """
    names(arrays.keys(), specs)
    return {spec.name: _feed(arrays[spec.name], spec) for spec in specs}


def requested(outputs: Sequence[str] | None, specs: Sequence[TensorSpec]) -> list[str]:
    """The outputs to compute: all of them unless some are named.

    Raises: InvalidInput: a name that the model does not have.
    """
    known = [spec.name for spec in specs]
    unknown = sorted(set(outputs or ()) - set(known))
    if unknown:
        raise InvalidInput("outputs", found=_listed(unknown), expected=f"some of {_listed(known)}")
    return list(known if outputs is None else outputs)


def signature(
    subject: str, kind: str, *, found: Sequence[TensorSpec], expected: Sequence[TensorSpec]
) -> None:
    """A model's inputs (or outputs) must have the names and element types that the descriptor tells.

    Shapes are not compared: backends infer the shapes of outputs more or less sharply.
    Raises: InvalidModel.
    """
    have, want = ({spec.name: spec.dtype for spec in specs} for specs in (found, expected))
    if have != want:
        raise InvalidModel(
            subject,
            found=f"{kind} {_listed(f'{n}:{t}' for n, t in have.items())}",
            expected=_listed(f"{n}:{t}" for n, t in want.items()),
            remedy="The model is not the one that engine.json describes. Optimize and push it again.",
        )


def _feed(array: Array, spec: TensorSpec) -> Array:
    expected = carrier(spec.dtype)
    if spec.dtype == BFLOAT16 and array.dtype.name == BFLOAT16:
        array = array.view(expected)
    if array.dtype != expected:
        raise InvalidInput(
            f"input {spec.name!r}", found=f"element type {array.dtype}", expected=f"element type {spec.dtype}"
        )
    shape(array.shape, spec)
    return array if array.flags.c_contiguous and array.flags.aligned else array.copy(order="C")


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values) or "none"
