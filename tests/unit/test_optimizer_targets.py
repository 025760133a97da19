"""Fingerprints and what they imply: features are whole words, never parts of them."""

import io
import json

import pytest
from click.testing import CliRunner
from rich.console import Console

from burnish_cli.targets import render, targets
from burnish_engine.request import Backend, OptimizationRequest, Precision
from burnish_operator.hardware.cpu import FEATURES as CPU_FEATURES
from burnish_optimizer.backends.recipes import RECIPES
from burnish_optimizer.errors import InvalidJob
from burnish_optimizer.search.plan import plan
from burnish_optimizer.targets import implications as implied
from burnish_optimizer.targets.fingerprint import FEATURES, fingerprint, parse_cpu_info
from burnish_optimizer.targets.meaning import meanings

X86 = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel(R) Xeon(R) Platinum 8480+
stepping\t: 8
flags\t\t: fpu avx2 fma avx512f avx512_vnni avx512_bf16 amx_tile amx_int8 amx_bf16 sse

processor\t: 1
vendor_id\t: Other
"""
ARM = (
    "processor: 0\nFeatures: fp asimd asimdhp asimddp bf16 i8mm sve\nCPU implementer: 0x41\nCPU part: 0xd40\n"
)


def test_facts_of_an_x86_processor():
    facts = parse_cpu_info(X86)
    assert facts["vendor"] == "GenuineIntel"
    assert facts["family"] == "6.143.8"
    assert facts["model"] == "Intel(R) Xeon(R) Platinum 8480+"
    assert facts["features"] == "AMXBF16 AMXINT8 AMXTILE AVX2 AVX512BF16 AVX512F AVX512VNNI FMA3"


def test_facts_of_an_arm_processor():
    facts = parse_cpu_info(ARM)
    assert (facts["vendor"], facts["model"]) == ("0x41", "0xd40")
    assert facts["features"] == "ASIMD ASIMDDP ASIMDHP BF16 I8MM SVE"


def test_nothing_known_gives_no_facts():
    assert parse_cpu_info("") == {}


def test_this_machine_tells_its_arch_cores_and_memory():
    facts = fingerprint()
    assert facts["arch"]
    assert int(facts["cores"]) >= 1
    assert int(facts["memory_bytes"]) > 1 << 20
    assert fingerprint() == facts


@pytest.mark.parametrize(
    ("arch", "features", "implied_facts"),
    [
        ("x86_64", "AVX2 AVX512F", "saturates"),
        ("x86_64", "AVX2 AVX512VNNI", "dot"),
        ("x86_64", "AVX2,AVXVNNI", "dot"),
        ("amd64", "AVX2", "saturates"),
        ("x86_64", "AVX2 AVX512BF16 AVX512FP16 AVX512VNNI", "bf16 fp16 dot"),
        ("x86_64", "NOTAVX512BF16 AVX512FP16X", "saturates"),
        ("x86_64", "AMXFP16 AMXINT8 AMXTILE", "fp16 dot"),
        ("aarch64", "ASIMDDP", "dot"),
        ("aarch64", "ASIMD ASIMDHP BF16", "bf16 fp16"),
    ],
)
def test_what_features_imply(arch, features, implied_facts):
    facts = {"arch": arch, "features": features}
    asked = {
        "bf16": implied.has_bf16,
        "fp16": implied.has_fp16,
        "dot": implied.has_int8_dot,
        "saturates": implied.saturates_u8s8,
    }
    assert {name for name, holds in asked.items() if holds(facts)} == set(implied_facts.split())


def test_what_decides_makes_another_class_of_machine_too():
    """Else one key would stand for machines that get different engines. (No label tells BF16 and I8MM.)"""
    decisive = implied.INT8_DOT | implied.BF16 | implied.FP16 | implied.AVX512 | {"AVX2", "AMXTILE"}
    assert decisive - {"BF16", "I8MM"} <= set(CPU_FEATURES)
    assert decisive <= set(FEATURES.values())


@pytest.mark.parametrize(
    ("told", "capability", "fp8"),
    [
        ({}, None, False),
        ({"gpu_capability": "8.9"}, (8, 9), True),
        ({"gpu_capability": "8.6"}, (8, 6), False),
        ({"gpu_capability": "12.0"}, (12, 0), True),  # not a comparison of words
        ({"gpu_capability": "8.0; 9.0"}, (8, 0), False),  # an engine must run on either
        ({"gpu_capability": "9.0; unknown"}, None, False),
        ({"compute_major": "9", "compute_minor": "0"}, (9, 0), True),  # an accelerator class
    ],
)
def test_what_a_capability_implies(told, capability, fp8):
    assert (implied.capability(told), implied.has_fp8(told)) == (capability, fp8)


@pytest.mark.parametrize(
    ("requirement", "features"),
    [
        ("avx2", "AVX2"),
        ("avx512", "AVX512BW AVX512F"),
        ("amx", "AMXTILE"),
        ("int8-dot", "AVXVNNIINT8"),
        ("bf16", "AMXBF16"),
        ("fp16", "AVX512FP16"),
    ],
)
def test_a_requirement_is_met_or_refused_in_words(requirement, features):
    assert implied.refusal(requirement, {"arch": "x86_64", "features": features}) == ""
    assert "this processor" in implied.refusal(requirement, {"arch": "x86_64", "features": "AVX512F"})


def test_requirements_of_a_gpu():
    assert implied.refusal("nvidia-gpu", {}) == "there is no NVIDIA device here"
    assert implied.refusal("nvidia-gpu", {"gpu_capability": "7.5"}) == ""
    assert "8.9" in implied.refusal("fp8", {"gpu_capability": "7.5"})


def test_a_requirement_nobody_knows_is_a_mistake_and_no_recipe_makes_it():
    with pytest.raises(InvalidJob, match="'bf17'"):
        implied.refusal("bf17", {})
    assert {name for recipe in RECIPES for name in recipe.requires} <= set(implied.REQUIREMENTS)


def test_what_facts_mean_is_said_in_words():
    old = {m.name: m for m in meanings({"arch": "x86_64", "features": "AVX2"})}
    assert old["BF16"].text.startswith("emulated")
    assert "7 bits" in old["u8 × s8 saturates"].text
    new = {m.name: m for m in meanings(BF16_MACHINE | {"gpu_capability": "9.0"})}
    assert new["BF16"].text == "native: AVX512BF16"
    assert "8 bits" in new["u8 × s8 saturates"].text
    assert new["FP8"].value


def test_the_command_tells_facts_meanings_and_recipes():
    told = json.loads(CliRunner().invoke(targets, ["-O", "json"]).output)
    assert told["facts"] == fingerprint()
    assert {one["recipe"] for one in told["recipes"]} == {recipe.name for recipe in RECIPES}
    assert all(one["tried"] or one["reason"] for one in told["recipes"])
    shown = CliRunner().invoke(targets, []).output
    assert "What follows" in shown
    assert "INT8 dot product" in shown


def test_trouble_with_devices_and_what_is_not_tried_are_shown():
    console = Console(file=io.StringIO(), width=120)
    console.print(render({"memory_bytes": str(3 << 30)}, (), {"a": "no AVX2"}, "nvidia-smi hung"))
    shown = console.file.getvalue()
    assert "3.0 GiB" in shown
    assert "GPUs: nvidia-smi hung" in shown
    assert "not tried: no AVX2" in shown


BF16_MACHINE = {"arch": "x86_64", "features": "AVX512BF16 AVX512VNNI"}


GPU = {"gpu": "NVIDIA L4", "gpu_capability": "8.9"}


def skipped(
    *, facts=BF16_MACHINE, target=None, calibrated=True, judged=True, installed=lambda _: True, **request
):
    planned = plan(
        RECIPES,
        OptimizationRequest(**request),
        facts,
        calibrated=calibrated,
        judged=judged,
        is_installed=installed,
        target=target,
    )
    return {p.recipe.name: p.skip for p in planned if p.skip}


def test_everything_is_tried_where_everything_is_there():
    assert skipped(facts=BF16_MACHINE | GPU, precisions=tuple(Precision)) == {}


def test_four_bits_are_for_those_who_ask_for_them():
    found = {name: why for name, why in skipped(facts=BF16_MACHINE | GPU).items() if "INT4" in why}
    assert all("INT4 is not allowed" in reason for reason in found.values())
    assert set(found) == {"ort-int4-rtn", "ort-int4-hqq", "ort-int4-gptq"}


def test_what_is_built_ahead_needs_its_devices_in_the_target_alone():
    here = skipped()
    assert "compute capability" in here["tensorrt-rtx-fp32"]
    assert "no NVIDIA device" in here["ort-cuda-fp32"]
    for_another = skipped(target={"compute_major": "8", "compute_minor": "6"})
    assert "tensorrt-rtx-fp32" not in for_another
    assert "no NVIDIA device" in for_another["ort-cuda-fp32"]
    assert "tensorrt-rtx-fp32" in skipped(target=GPU | {"gpu_capability": "9.0"})
    assert "tensorrt-rtx-fp32" in skipped(facts=BF16_MACHINE | GPU, target={"arch": "x86_64"})


def test_what_does_not_apply_is_skipped_with_its_reason():
    assert "does not compute in BF16" in skipped(facts={"arch": "x86_64"})["openvino-bf16"]
    assert "--calibration" in skipped(calibrated=False)["ort-int8-all"]
    assert "ort-int8-dynamic" not in skipped(calibrated=False)
    assert "not installed" in skipped(installed=lambda name: name != "openvino")["openvino-fp32"]
    others = {recipe.name for recipe in RECIPES if recipe.backend is not Backend.ONNXRUNTIME}
    found = skipped(facts=BF16_MACHINE | GPU, backends=(Backend.ONNXRUNTIME,), precisions=tuple(Precision))
    assert set(found) == others


def test_without_samples_to_judge_on_only_fp32_is_tried():
    reasons = skipped(facts=BF16_MACHINE | GPU, judged=False, calibrated=False)
    assert "no data to judge BF16 on: give --evaluation" in reasons["openvino-bf16"]
    assert "--evaluation" in reasons["ort-int8-dynamic"]
    assert not {recipe.name for recipe in RECIPES if recipe.precision is Precision.FP32} & set(reasons)


def test_the_order_of_precisions_is_the_order_of_trying():
    request = OptimizationRequest(precisions=(Precision.INT8, Precision.FP32))
    planned = plan(RECIPES, request, BF16_MACHINE, calibrated=True, judged=True, is_installed=lambda _: True)
    precisions = [p.recipe.precision for p in planned]
    assert precisions.index(Precision.INT8) == 0
    assert precisions[precisions.count(Precision.INT8)] is Precision.FP32
    assert precisions[-1] not in request.precisions
    assert "not allowed" in next(p.skip for p in planned if p.recipe.precision is Precision.BF16)
