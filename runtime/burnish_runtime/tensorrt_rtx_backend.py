"""Plans of TensorRT for RTX, on an NVIDIA device. They are built elsewhere, ahead of time; here they run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from burnish_engine.coverage import Coverage
from burnish_engine.descriptor import RunOptions, TensorSpec
from burnish_runtime import check
from burnish_runtime.cuda_memory import check_device
from burnish_runtime.dtypes import TENSORRT_TYPES
from burnish_runtime.errors import InvalidModel, InvalidOptions, UnsupportedBackend
from burnish_runtime.session import Array
from burnish_runtime.tensorrt_rtx_contexts import Contexts
from burnish_runtime.tensorrt_rtx_log import log_of
from burnish_runtime.tensorrt_rtx_profiles import Profile

PROFILE = 0


class TensorRtxSession:
    """A plan on a device: one execution context for each concurrent caller, all sharing the weights."""

    def __init__(self, library: Any, cuda: Any, model: Path) -> None:
        self._engine = _deserialize(library, model)
        named = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        modes = {name: self._engine.get_tensor_mode(name) for name in named}
        self.inputs = self._specs(model, [n for n in named if modes[n] == library.TensorIOMode.INPUT])
        self.outputs = self._specs(model, [n for n in named if modes[n] == library.TensorIOMode.OUTPUT])
        self._profiles = {spec.name: self._profile(spec.name) for spec in self.inputs}
        on_host = {n for n in named if self._engine.get_tensor_location(n) == library.TensorLocation.HOST}
        self._contexts = Contexts(self._engine, cuda, model.name, frozenset(on_host))

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """See `burnish_runtime.session.Session.run`."""
        names = check.requested(outputs, self.outputs)
        arrays = check.feeds(feeds, self.inputs)
        for name, array in arrays.items():
            self._profiles[name].check(name, array.shape)
        with self._contexts.one() as context:
            found = context.run(arrays, self.outputs)
        return {name: found[name] for name in names}

    def coverage(self) -> Coverage:
        """See `burnish_runtime.session.Session.coverage`: a plan runs whole, or not at all."""
        return Coverage(nodes=self._engine.num_layers)

    def close(self) -> None:
        """Give back the memory."""
        self._contexts.close()
        self._engine = None

    def _specs(self, model: Path, names: Sequence[str]) -> tuple[TensorSpec, ...]:
        return tuple(_spec(self._engine, name, model) for name in names)

    def _profile(self, name: str) -> Profile:
        low, _, high = self._engine.get_tensor_profile_shape(name, PROFILE)
        return Profile(tuple(low), tuple(high))


def open_session(model: Path, options: RunOptions) -> TensorRtxSession:
    """Load a plan.

    Raises: UnsupportedBackend: no library, no device or no driver.   InvalidModel: no plan, or one for
        another device or version.   InvalidOptions: a plan has its options inside.
    """
    _refuse_options(options)
    try:
        import tensorrt_rtx  # noqa: PLC0415 - only engines that need the library pay for it
        from cuda.bindings import runtime  # noqa: PLC0415
    except ImportError as error:
        raise UnsupportedBackend(
            "tensorrt-rtx",
            found=str(error),
            expected="the libraries tensorrt_rtx and cuda.bindings",
            remedy='Install them: pip install "burnish[tensorrt]".',
        ) from error
    check_device(runtime)
    return TensorRtxSession(tensorrt_rtx, runtime, model)


def _refuse_options(options: RunOptions) -> None:
    given = {**options.properties, **options.provider_options}
    if given or options.static_shapes or options.graph_optimization != "all":
        raise InvalidOptions(
            "tensorrt-rtx",
            found=", ".join(given) or "static shapes, or graph optimizations switched off",
            expected="none: what a plan does was settled when it was built",
        )


def _deserialize(library: Any, model: Path) -> Any:
    log = log_of(library)
    try:
        plan = model.read_bytes()
    except OSError as error:
        raise InvalidModel(str(model), found=str(error), expected="a plan of TensorRT for RTX") from error
    engine = library.Runtime(log).deserialize_cuda_engine(plan)
    if engine is None:
        raise InvalidModel(
            str(model),
            found=log.last_error() or "a file that is no plan",
            expected=f"a plan for this device, built by TensorRT for RTX {library.__version__}",
            remedy="Build it again with this version, for this device's compute capability.",
        )
    return engine


def _spec(engine: Any, name: str, model: Path) -> TensorSpec:
    kind = engine.get_tensor_dtype(name).name
    dtype = TENSORRT_TYPES.get(kind)
    if dtype is None:
        raise InvalidModel(
            str(model), found=f"{name!r} of type {kind}", expected="tensors of a plain element type"
        )
    shape = tuple(None if size < 0 else size for size in engine.get_tensor_shape(name))
    return TensorSpec(name=name, dtype=dtype, shape=shape)
