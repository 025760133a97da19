"""Fingerprints and what they imply: features are whole words, never parts of them."""

import pytest

from burnish_engine.request import Backend, OptimizationRequest, Precision
from burnish_optimizer.backends.recipes import RECIPES
from burnish_optimizer.search.plan import plan
from burnish_optimizer.targets.fingerprint import fingerprint, parse_cpu_info, parse_nvidia
from burnish_optimizer.targets.implications import has_bf16, saturates_u8s8

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
    "processor\t: 0\nFeatures\t: fp asimd asimddp bf16 i8mm sve\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n"
)


def test_facts_of_an_x86_processor():
    facts = parse_cpu_info(X86)
    assert facts["vendor"] == "GenuineIntel"
    assert facts["family"] == "6.143.8"
    assert facts["model"] == "Intel(R) Xeon(R) Platinum 8480+"
    assert facts["features"] == "AMXBF16 AMXINT8 AMXTILE AVX2 AVX512BF16 AVX512F AVX512VNNI FMA"


def test_facts_of_an_arm_processor():
    facts = parse_cpu_info(ARM)
    assert (facts["vendor"], facts["model"]) == ("0x41", "0xd40")
    assert facts["features"] == "ASIMDDP BF16 I8MM SVE"


def test_nothing_known_gives_no_facts():
    assert parse_cpu_info("") == {}
    assert parse_nvidia("") == {}
    assert parse_nvidia("No devices were found") == {}


def test_facts_of_a_gpu():
    facts = parse_nvidia("NVIDIA L4, 8.9, 23034 MiB, 550.54.15, [N/A]\n")
    assert facts["gpu"] == "NVIDIA L4"
    assert facts["gpu_capability"] == "8.9"


def test_this_machine_tells_its_arch_cores_and_memory():
    facts = fingerprint()
    assert facts["arch"]
    assert int(facts["cores"]) >= 1
    assert int(facts["memory_bytes"]) > 1 << 20
    assert fingerprint() == facts


@pytest.mark.parametrize(
    ("arch", "features", "bf16", "saturates"),
    [
        ("x86_64", "AVX2 AVX512F", False, True),
        ("x86_64", "AVX2 AVX512VNNI", False, False),
        ("x86_64", "AVX2 AVXVNNI", False, False),
        ("x86_64", "AVX2 AVX512BF16 AVX512VNNI", True, False),
        ("x86_64", "NOTAVX512BF16", False, True),
        ("aarch64", "ASIMDDP", False, False),
    ],
)
def test_what_features_imply(arch, features, bf16, saturates):
    facts = {"arch": arch, "features": features}
    assert (has_bf16(facts), saturates_u8s8(facts)) == (bf16, saturates)


BF16_MACHINE = {"arch": "x86_64", "features": "AVX512BF16 AVX512VNNI"}


def skipped(*, facts=BF16_MACHINE, calibrated=True, judged=True, installed=lambda _: True, **request):
    asked = OptimizationRequest(**request)
    planned = plan(RECIPES, asked, facts, calibrated=calibrated, judged=judged, is_installed=installed)
    return {p.recipe.name: p.skip for p in planned if p.skip}


def test_everything_is_tried_where_everything_is_there():
    assert skipped(precisions=tuple(Precision)) == {}


def test_four_bits_are_for_those_who_ask_for_them():
    assert all("INT4 is not allowed" in reason for reason in skipped().values())
    assert set(skipped()) == {"ort-int4-rtn", "ort-int4-hqq", "ort-int4-gptq"}


def test_what_does_not_apply_is_skipped_with_its_reason():
    assert "does not compute in BF16" in skipped(facts={"arch": "x86_64"})["openvino-bf16"]
    assert "--calibration" in skipped(calibrated=False)["ort-int8-all"]
    assert "ort-int8-dynamic" not in skipped(calibrated=False)
    assert "not installed" in skipped(installed=lambda name: name != "openvino")["openvino-fp32"]
    others = {recipe.name for recipe in RECIPES if recipe.backend is not Backend.ONNXRUNTIME}
    assert set(skipped(backends=(Backend.ONNXRUNTIME,), precisions=tuple(Precision))) == others


def test_without_samples_to_judge_on_only_fp32_is_tried():
    reasons = skipped(judged=False, calibrated=False)
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
