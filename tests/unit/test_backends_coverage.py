"""No silent fallback: where nodes run is told by the loaded model, counted, and judged by a gate."""

from pathlib import Path
from types import SimpleNamespace

import onnx
import onnxruntime
import pytest

from burnish_engine.coverage import Coverage, Elsewhere
from burnish_engine.descriptor import RunOptions
from burnish_engine.request import Backend, Precision
from burnish_optimizer.backends.protocol import MODULES, CoverTask, run_cover, side
from burnish_optimizer.errors import Declined
from burnish_optimizer.gates.coverage import coverage_gate, of_recipe
from burnish_runtime import onnxruntime_providers as providers
from burnish_runtime.errors import InvalidOptions, UnsupportedBackend
from burnish_runtime.load import open_session
from burnish_runtime.onnxruntime_backend import session_options
from burnish_runtime.openvino_formats import coverage as executed
from support import optimizer_nets as nets
from support.tensorrt import unknown_net

CLEAN = Coverage(nodes=10)
SPLIT = Coverage(nodes=10, elsewhere=(Elsewhere(op="Shape", nodes=3, reason="runs on CPUExecutionProvider"),))


def test_nodes_elsewhere_fail_the_gate_unless_the_request_allows_them():
    assert coverage_gate(CLEAN, allow_fallback=False).passed
    refused = coverage_gate(SPLIT, allow_fallback=False)
    assert not refused.passed
    assert "7 of 10 nodes (Shape × 3: runs on CPUExecutionProvider)" in refused.found
    allowed = coverage_gate(SPLIT, allow_fallback=True)
    assert allowed.passed
    assert "Shape × 3" in allowed.found


@pytest.mark.parametrize("allow_fallback", [False, True])
def test_a_missing_figure_fails_the_gate(allow_fallback):
    assert not coverage_gate(None, allow_fallback=allow_fallback).passed


def test_a_format_that_no_layer_computes_in_was_not_given():
    some = of_recipe(Coverage(nodes=9, formats={"f32": 5, "bf16": 1}), Precision.BF16)
    none = of_recipe(Coverage(nodes=9, formats={"f32": 6}), Precision.BF16)
    assert coverage_gate(some, allow_fallback=False).passed
    assert "bf16 in 1 of 6 layers" in str(some)
    assert not coverage_gate(none, allow_fallback=False).passed
    assert not coverage_gate(none, allow_fallback=True).passed
    weights_alone = of_recipe(Coverage(nodes=9, formats={"f32": 6}), Precision.INT8)
    assert coverage_gate(weights_alone, allow_fallback=False).passed
    untold = of_recipe(CLEAN, Precision.BF16)
    assert coverage_gate(untold, allow_fallback=False).passed


def test_nodes_count_by_the_provider_that_took_them():
    def part(name, *ops):
        nodes = [SimpleNamespace(op_type=op, domain=domain) for domain, op in ops]
        return SimpleNamespace(ep_name=name, get_nodes=lambda: nodes)

    found = providers.coverage(
        [
            part(providers.CUDA, ("", "Conv"), ("", "Relu")),
            part(providers.CPU, ("", "Shape"), ("com.microsoft", "Gelu")),
            part(providers.CPU, ("", "Shape")),
        ],
        providers.CUDA,
    )
    assert (found.nodes, found.nodes_elsewhere) == (5, 3)
    told = {(one.op, one.nodes, one.reason) for one in found.elsewhere}
    assert ("Shape", 2, "runs on CPUExecutionProvider") in told
    assert ("com.microsoft.Gelu", 1, "runs on CPUExecutionProvider") in told


def test_layers_that_move_values_do_not_count_as_computing():
    def layer(kind, precision):
        def info(text):
            return SimpleNamespace(astype=lambda _: text)

        told = {"layerType": info(kind), "runtimePrecision": info(precision)}
        return SimpleNamespace(get_rt_info=lambda: told)

    layers = [("Convolution", "bf16"), ("FullyConnected", "i8"), ("Softmax", "f32"), ("Reorder", "f32")]
    graph = SimpleNamespace(get_ops=lambda: [layer(*each) for each in [*layers, ("Math", "i32")]])
    found = executed(graph)
    assert found.nodes == 5
    assert found.formats == {"bf16": 1, "i8": 1, "f32": 1}


@pytest.mark.parametrize("backend", [Backend.ONNXRUNTIME, Backend.OPENVINO])
def test_a_loaded_model_tells_where_it_runs(tmp_path, backend):
    model = nets.save_net(tmp_path / "net.onnx")
    found = open_session(model, backend, RunOptions(threads=1)).coverage()
    assert found.nodes > 3
    assert found.elsewhere == ()
    assert set(found.formats) == (set() if backend is Backend.ONNXRUNTIME else {"f32"})
    assert run_cover(CoverTask(model=str(model), backend=backend, facts={})) == found


def test_every_backend_has_a_building_side():
    assert set(MODULES) == set(Backend)
    for backend in Backend:
        module = side(backend)
        assert callable(module.build)
        assert callable(module.cover)


def test_operators_that_a_backend_does_not_have_are_told(tmp_path):
    onnx.save(unknown_net(), str(tmp_path / "net.onnx"))
    with pytest.raises(Declined, match="Nonsense"):
        side(Backend.OPENVINO).cover(tmp_path / "net.onnx", {})


def test_a_backend_asks_for_its_own_provider_first():
    names = {b: [p.name for p in providers.providers(b, {})] for b in MODULES if b.value.startswith("onnx")}
    assert names == {
        Backend.ONNXRUNTIME: [providers.CPU],
        Backend.ONNXRUNTIME_CUDA: [providers.CUDA],
        Backend.ONNXRUNTIME_TENSORRT: [providers.TENSORRT, providers.CUDA],
    }
    cuda = providers.providers(Backend.ONNXRUNTIME_CUDA, {"device_id": "1", "use_tf32": "0"})[0]
    assert cuda.options["device_id"] == "1"
    assert cuda.options["use_tf32"] == "0"
    with pytest.raises(InvalidOptions, match="device_id"):
        providers.providers(Backend.ONNXRUNTIME, {"device_id": "1"})


def test_engines_of_tensorrt_are_kept_only_where_a_folder_is_named():
    backend = Backend.ONNXRUNTIME_TENSORRT
    kept, behind = providers.providers(backend, {"device_id": "2"}, {providers.CACHE: "/cache"})
    assert kept.options["trt_engine_cache_path"] == "/cache"
    assert behind.options["device_id"] == "2"
    assert "trt_engine_cache_path" not in providers.providers(backend, {}, {})[0].options


def test_a_provider_that_was_replaced_is_an_error():
    wanted = providers.providers(Backend.ONNXRUNTIME_CUDA, {})
    providers.check_taken([providers.CUDA, providers.CPU], wanted)
    with pytest.raises(UnsupportedBackend, match="a session on CPUExecutionProvider"):
        providers.check_taken([providers.CPU], wanted)
    loaded = []

    def preload_dlls(directory):
        loaded.append(directory)

    library = SimpleNamespace(
        get_available_providers=lambda: [providers.CUDA, providers.CPU],
        preload_dlls=preload_dlls,
    )
    providers.check_available(library, wanted)
    assert loaded == [""]
    library = SimpleNamespace(get_available_providers=lambda: [providers.CPU])
    with pytest.raises(UnsupportedBackend, match="onnxruntime-gpu"):
        providers.check_available(library, wanted)


def test_nodes_on_the_cpu_are_refused_where_it_serves():
    class Options:
        def __init__(self):
            self.entries = {}

        def add_session_config_entry(self, name, value):
            self.entries[name] = value

    def entries(on_cpu, **options):
        levels = SimpleNamespace(ORT_ENABLE_ALL=99)
        library = SimpleNamespace(SessionOptions=Options, GraphOptimizationLevel=levels)
        return session_options(library, RunOptions(**options), on_cpu=on_cpu).entries

    assert entries(False)[providers.NO_FALLBACK] == "1"
    assert providers.NO_FALLBACK not in entries(False, allow_fallback=True)
    assert providers.NO_FALLBACK not in entries(True)


@pytest.mark.gpu
@pytest.mark.skipif(
    providers.CUDA not in onnxruntime.get_available_providers(),
    reason="onnxruntime-gpu and an NVIDIA device",
)
@pytest.mark.parametrize("backend", [Backend.ONNXRUNTIME_CUDA, Backend.ONNXRUNTIME_TENSORRT])
def test_a_device_takes_a_whole_network(tmp_path: Path, backend: Backend) -> None:
    model = nets.save_net(tmp_path / "net.onnx")
    assert open_session(model, backend, RunOptions()).coverage().elsewhere == ()
