"""Rewriting with proof on ONNX's own models: all come back right, with fewer nodes than any peer leaves.

The cases are those of `make bench-correctness`, and so are the judge and the processes. BURNISH_LONG=1 takes
all targets and the whole light zoo; else two weights of half a gigabyte are left to the long run.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from burnish_bench.correctness import Outcome, run
from burnish_bench.places import suites_folder
from support.onnx_suites import LIGHT, NODE, STORED, Case, cases

LONG = bool(os.environ.get("BURNISH_LONG"))
TARGETS = ("burnish-portable", "burnish-onnxruntime-cpu") if LONG else ("burnish-onnxruntime-cpu",)
HEAVY = frozenset({"light_vgg19", "light_zfnet512", "light_bvlc_alexnet"})
# Nodes that the best of the peers (onnxscript 0.7.2) leaves of the 1,762 that ONNX Runtime 1.32 runs;
# onnxslim leaves 6,293, onnxsim 6,494 (`make bench-correctness`). A case that a tool fails at counts in full.
BEST = {NODE: 6129}
RUNNABLE = 1762

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]


def failures(outcomes: Iterable[Outcome]) -> list[str]:
    """Everything but right answers; a source that ONNX Runtime cannot run has only to come back."""
    return [f"{o.case}: {o.verdict}: {o.detail}" for o in outcomes if o.verdict not in {"ok", "unjudged"}]


def chosen(suites: tuple[str, ...]) -> list[Case]:
    """The cases of this run."""
    return [c for c in cases(suites_folder(), suites) if LONG or c.name not in HEAVY]


@pytest.mark.parametrize("target", TARGETS)
def test_every_node_test_comes_back_right_and_smaller_than_from_any_peer(target: str, tmp_path: Path) -> None:
    outcomes = run(target, chosen((NODE,)), tmp_path, lambda _: None)
    assert failures(outcomes) == []
    judged = [o for o in outcomes if o.runnable]
    assert len(judged) >= RUNNABLE, "ONNX Runtime ran fewer of them than it does"
    assert sum(o.nodes_after for o in judged) < BEST[NODE]


@pytest.mark.parametrize("target", TARGETS)
def test_stored_models_and_the_light_zoo_come_back_right(target: str, tmp_path: Path) -> None:
    assert failures(run(target, chosen((*STORED, LIGHT)), tmp_path, lambda _: None)) == []
