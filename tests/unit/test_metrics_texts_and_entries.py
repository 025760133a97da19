"""Texts read by CTC, and metrics that are functions of the user's."""

import sys
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest

from burnish_engine.metric import Metric
from burnish_optimizer.errors import InvalidJob, NoFigure
from burnish_optimizer.gates.metrics import entry
from burnish_optimizer.gates.metrics.measure import Case
from burnish_optimizer.gates.metrics.table import measure_for
from burnish_optimizer.gates.metrics.text import decode, edit_distance
from support.metrics import value


def read(*classes):
    """Class scores [1, T, 5] whose best are these."""
    return np.eye(5, dtype=np.float32)[np.newaxis, list(classes)]


def test_repeats_are_one_and_blanks_are_none():
    assert decode(read(0, 1, 1, 0, 1, 2, 2, 0, 3)) == [(1, 1, 2, 3)]
    assert decode(read(0, 0)) == [()]


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("flaw", "lawn", 2), ("same", "same", 0)],
)
def test_edit_distance_of_known_pairs(one, other, edits):
    assert edit_distance([ord(c) for c in one], [ord(c) for c in other]) == edits


def test_agreement_of_texts_counts_characters_of_all_samples():
    cases = [Case(["y"], [read(1, 2, 3)], [read(1, 2, 4)]), Case(["y"], [read(1)], [read(1)])]
    assert value(Metric.TEXT_AGREEMENT, cases) == (0.75, 1.0)


def test_the_error_rate_is_against_the_label_on_both_sides():
    case = Case(["y"], [read(1, 2, 4)], [read(1, 0, 0)], np.array([1, 2, 3, 4, 0, -1]))
    assert value(Metric.CER, [case]) == (0.75, 0.25)


def test_what_is_no_text_has_no_figure():
    flat = np.eye(5, dtype=np.float32)
    with pytest.raises(NoFigure, match=r"\[N, T, C\]"):
        value(Metric.TEXT_AGREEMENT, [Case(["y"], [flat], [flat])])
    with pytest.raises(NoFigure, match="nothing to agree with"):
        value(Metric.TEXT_AGREEMENT, [Case(["y"], [read(0)], [read(1)])])
    with pytest.raises(NoFigure, match="no label"):
        value(Metric.CER, [Case(["y"], [read(1)], [read(1)])])


MODULE = """
import numpy as np

def closeness(outputs, reference, label):
    off = float(np.abs(outputs["y"] - reference["y"]).max())
    return 1 - off - (0.0 if label is None else float(label))

def text(outputs, reference, label):
    return "very good"

def nothing(outputs, reference, label):
    return float("nan")

def broken(outputs, reference, label):
    raise KeyError("logits")

seven = 7
"""
CASE = Case(["y"], [np.zeros(2)], [np.array([0, 0.25])], np.array(0.5))


@pytest.fixture
def own_metrics(tmp_path, monkeypatch):
    (tmp_path / "own_metrics_of_a_team.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_metrics_of_a_team"
    sys.modules.pop("own_metrics_of_a_team", None)


def test_a_function_gets_both_sides_by_name_and_the_label(own_metrics):
    measure = measure_for(Metric.ENTRY, f"{own_metrics}:closeness")
    assert measure.sample(CASE) == ((0.25,), (0.5,), None)


def test_an_installed_name_is_found_in_its_group(own_metrics, monkeypatch):
    point = EntryPoint("closeness", f"{own_metrics}:closeness", entry.GROUP)
    monkeypatch.setattr(entry, "entry_points", lambda group: EntryPoints([point]))
    assert measure_for(Metric.ENTRY, "closeness").sample(CASE).own == (0.25,)
    with pytest.raises(InvalidJob, match=r"no such name .* \(installed: closeness\)"):
        measure_for(Metric.ENTRY, "other")


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("text", "raised ValueError"),
        ("nothing", "returned nan, expected a finite number"),
        ("broken", "raised KeyError: 'logits'"),
    ],
)
def test_what_goes_wrong_in_it_is_told(own_metrics, function, told):
    with pytest.raises(NoFigure, match=f"{own_metrics}:{function} {told}"):
        measure_for(Metric.ENTRY, f"{own_metrics}:{function}").sample(CASE)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no_such_package:f", "No module named 'no_such_package'"),
        ("{}:missing", "has no attribute 'missing'"),
        ("{}:seven", "int, which cannot be called"),
        ("not-installed", "no such name in the entry point group burnish.metrics"),
    ],
)
def test_what_cannot_be_loaded_is_named_with_what_to_do(own_metrics, name, told):
    with pytest.raises(InvalidJob, match=told) as refused:
        measure_for(Metric.ENTRY, name.format(own_metrics))
    assert "PYTHONPATH" in str(refused.value)
