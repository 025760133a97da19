"""A hundred and more bad candidates, and none leaves: whatever passes the gates is right on fresh data, too.

Real sessions and the gates themselves, in this process; whole runs with builders that misbehave are in
test_adversarial_runs.
"""

import numpy as np
import onnx
import pytest

from burnish_engine.request import Backend, Metric, OptimizationRequest, Precision
from burnish_optimizer.backends.recipes import RECIPES
from burnish_optimizer.errors import Declined
from support import adversary_nets as nets
from support.adversary import FRESH, Arena, tolerated
from support.adversary_wrongs import NEVER, WRONGS

EVALUATION = 200
COARSE = (Precision.INT8, Precision.INT4)
# One recipe for each way of building that ONNX Runtime has.
BUILDERS = {r.build: r for r in RECIPES if r.backend is Backend.ONNXRUNTIME and r.precision in COARSE}
CALIBRATIONS = {
    "like the evaluation set": lambda: nets.samples(32, seed=2),
    "of one sample": lambda: nets.samples(1, seed=2),
    "255 times smaller": lambda: nets.samples(32, seed=2) / np.float32(255),
    "255 times larger": lambda: nets.samples(32, seed=2) * np.float32(255),
    "of zeros": lambda: np.zeros((4, nets.FEATURES), np.float32),
}
HARMLESS = ("like the evaluation set",)
REQUESTS = {
    "agreement": OptimizationRequest(metric=Metric.AGREEMENT, max_drop=0.02, threads=1),
    "cosine": OptimizationRequest(metric=Metric.COSINE, max_drop=0.01, threads=1),
    "sqnr": OptimizationRequest(metric=Metric.SQNR, minimum=25, threads=1),
    "five best": OptimizationRequest(metric=Metric.TOP5_AGREEMENT, minimum=0.95, threads=1),
    "accuracy": OptimizationRequest(metric=Metric.ACCURACY, max_drop=0.02, threads=1),
}


@pytest.fixture(scope="module")
def arena(tmp_path_factory):
    """Arenas by what is special about them, each made once."""
    made = {}

    def of(name, model, *, heavy=False, noisy_labels=False):
        if name not in made:
            rows = [nets.samples(count, seed, heavy=heavy) for count, seed in ((EVALUATION, 3), (FRESH, 4))]
            labels = [_labels(model, side, seed) for seed, side in enumerate(rows)] if noisy_labels else None
            folder = tmp_path_factory.mktemp("arena") / "it"
            made[name] = Arena(folder, model, *rows, labels=tuple(labels) if labels else None)
        return made[name]

    return of


def _labels(model, rows, seed):
    """What the source says, but for three in ten, which are left to chance."""
    from onnx.reference import ReferenceEvaluator

    rng = np.random.default_rng(seed)
    best = ReferenceEvaluator(model).run(["scores"], {"x": rows})[0].argmax(axis=-1)
    return np.where(rng.random(len(rows)) < 0.3, rng.integers(0, nets.CLASSES, len(rows)), best)


def cycled(names):
    return list(zip(names, [REQUESTS[r] for r in list(REQUESTS)[:4]] * len(names), strict=False))


QUANTIZED = cycled([(net, calibration) for net in nets.NETS for calibration in CALIBRATIONS])
OTHER_WAYS = cycled(
    [(net, way) for net in nets.NETS for way, recipe in BUILDERS.items() if not recipe.needs_calibration]
)
WRONG = [
    (wrong, precision, metric)
    for wrong in WRONGS
    for precision, metric in (
        (Precision.FP32, "accuracy"),
        (Precision.INT8, "agreement"),
        (Precision.BF16, "cosine"),
    )
]
SOURCES = {
    "always zero": lambda: nets.after(nets.plain(), "scores = Sub(right, right)"),
    "always the same": nets.constant_model,
    "never a number": lambda: nets.after(nets.plain(), "zero = Sub(right, right) scores = Div(zero, zero)"),
    "now and then no number": lambda: nets.after(nets.plain(), "scores = Log(right)"),
}
ODD = [(source, way) for source in SOURCES for way in ("the source", "another model", "all NaN")]


def named(cases):
    return [
        " | ".join(str(part) for part in (case if isinstance(case[0], str) else case[0])) for case in cases
    ]


def check(judgement, request):
    """The law: what passes is as good on fresh data as was asked, in every gate's own words."""
    assert judgement.gates
    if judgement.passed:
        assert tolerated(judgement, request), (judgement.said, judgement.fresh)
        assert judgement.fresh_faithful, judgement.said


def test_there_are_more_than_a_hundred():
    assert len(QUANTIZED) + len(OTHER_WAYS) + len(WRONG) + len(ODD) > 100


@pytest.mark.parametrize(("case", "request_"), QUANTIZED, ids=named(QUANTIZED))
def test_static_int8_of_hard_networks_with_bad_calibration(arena, tmp_path, case, request_):
    net, calibration = case
    recipe = next(recipe for recipe in BUILDERS.values() if recipe.needs_calibration)
    place = arena(net, nets.NETS[net]())
    try:
        built = place.build(recipe, CALIBRATIONS[calibration](), tmp_path / "candidate")
    except Declined:
        return
    judgement = place.judge(built, request_, recipe.precision)
    check(judgement, request_)
    if net == "plain":  # what is well calibrated passes, else all of this would prove nothing
        judgement = place.judge(built, REQUESTS["cosine"], recipe.precision)
        assert judgement.passed is (calibration in HARMLESS), judgement.said


@pytest.mark.parametrize(("case", "request_"), OTHER_WAYS, ids=named(OTHER_WAYS))
def test_weights_and_activations_in_few_bits_on_data_with_outliers(arena, tmp_path, case, request_):
    net, way = case
    place = arena(f"{net}, heavy", nets.NETS[net](), heavy=True)
    try:
        built = place.build(BUILDERS[way], nets.samples(32, seed=2), tmp_path / "candidate")
    except Declined:
        return
    check(place.judge(built, request_, BUILDERS[way].precision), request_)


@pytest.mark.parametrize(("wrong", "precision", "metric"), WRONG, ids=named(WRONG))
def test_a_wrong_copy_of_the_source(arena, tmp_path, wrong, precision, metric):
    place = arena("plain, labelled", nets.plain(), noisy_labels=True)
    candidate = tmp_path / "candidate.onnx"
    onnx.save(WRONGS[wrong](nets.plain(), nets.samples(32, seed=2)), str(candidate))
    judgement = place.judge(candidate, REQUESTS[metric], precision)
    check(judgement, REQUESTS[metric])
    if wrong in NEVER or (precision is Precision.FP32 and wrong != "weights of a hundredth noise"):
        assert not judgement.passed, judgement.said
    if wrong == "weights of a hundredth noise" and precision is not Precision.INT8:
        assert judgement.passed, judgement.said


@pytest.mark.parametrize(("source", "way"), ODD, ids=named(ODD))
def test_a_source_that_is_hardly_a_judge(arena, tmp_path, source, way):
    model = SOURCES[source]()
    place = arena(source, model)
    candidate = tmp_path / "candidate.onnx"
    nan = nets.after(nets.plain(), "zero = Sub(right, right) scores = Div(zero, zero)")
    onnx.save({"the source": model, "another model": nets.plain(), "all NaN": nan}[way], str(candidate))
    judgement = place.judge(candidate, REQUESTS["cosine"], Precision.INT8)
    check(judgement, REQUESTS["cosine"])
    passes = way == "the source" and source != "never a number"
    assert judgement.passed is passes, judgement.said
