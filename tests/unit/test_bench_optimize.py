"""The optimizers' bench, its pure parts: decoders, agreement, correlation, verdicts, tables."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from burnish_bench.optimizing import document, telling
from burnish_bench.optimizing.cells import Built, build, run
from burnish_bench.optimizing.closeness import Closeness, cosine
from burnish_bench.optimizing.datasets import Data
from burnish_bench.optimizing.judging import Judged
from burnish_bench.optimizing.plot import picture
from burnish_bench.optimizing.results import Result, load, save
from burnish_bench.optimizing.rounds import Measured
from burnish_bench.optimizing.tools import BASELINE, TOOLS
from burnish_bench.optimizing.verdicts import BARS, best_peer, geomean, lines, verdict, within_drop
from burnish_bench.tasks import boxes, detection, filetype, layout, ranks, reading, speech, strings, voice
from burnish_bench.tasks.catalogue import TASKS
from burnish_cli.parse import MetricName
from burnish_optimizer.gates.metrics.entry import load as load_metric

DROP, COSINE = BARS


def result(**tools: tuple[float, float, float]) -> Result:
    """A model by tool: speed-up, metric, cosine. The reference's metric is 0.9."""
    found = Result("m", 1, "accuracy", 200, 0.9)
    for name, (speed, metric, close) in {BASELINE: (1.0, 0.9, 1.0), **tools}.items():
        found.built[name] = Built(name, "key", note="recipe")
        found.judged[name] = Judged("key", 200, metric, close)
        found.measured[name] = Measured(0.01, speed, speed * 0.98, speed * 1.02)
    return found


class TestBoxes:
    def test_overlap_of_halves_is_a_third(self) -> None:
        found = boxes.iou(np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]]), np.array([5.0, 0, 15, 10]))
        assert found == pytest.approx([1 / 3, 0])

    def test_a_box_matches_once(self) -> None:
        box = [0.0, 0.0, 10.0, 10.0]
        assert boxes.matched([box, box], [box]) == 1
        assert boxes.agreement([[box, box]], [[box]]) == pytest.approx(2 / 3)

    def test_nothing_found_where_nothing_is_is_right(self) -> None:
        assert boxes.agreement([[]], [[]]) == 1.0
        assert boxes.agreement([[[0, 0, 1, 1]]], [[]]) == 0.0

    def test_regions_of_a_map_become_boxes_grown_by_area_over_perimeter(self) -> None:
        probability = np.zeros((40, 60))
        probability[10:20, 10:30] = 0.9
        probability[30:32, 5:25] = 0.9  # two pixels high: no text
        probability[35:39, 40:50] = 0.4  # unsure
        grown = 10 * 20 * 1.6 / 60
        assert boxes.text_boxes(probability) == [
            [round(10 - grown, 2), round(10 - grown, 2), round(30 + grown, 2), round(20 + grown, 2)]
        ]

    def test_suppression_keeps_the_best_of_what_overlaps(self) -> None:
        three = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
        assert boxes.suppressed(three, np.array([0.5, 0.9, 0.7])) == [1, 2]


class TestTexts:
    def test_runs_are_taken_once_and_blanks_part_them(self) -> None:
        scores = np.eye(4)[[1, 1, 0, 1, 2, 3, 0]]
        assert strings.greedy(scores, ["a", "b"]) == "aab "

    @pytest.mark.parametrize(
        ("found", "expected", "edits"),
        [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)],
    )
    def test_edits(self, found: str, expected: str, edits: int) -> None:
        assert strings.distance(found, expected) == edits

    def test_error_rate_is_over_all_characters(self) -> None:
        assert strings.character_error_rate(["ab", "c"], ["abcd", "c"]) == pytest.approx(2 / 5)
        assert strings.character_error_rate([], []) == 0.0

    def test_score_is_of_what_was_written_not_of_the_reference(self) -> None:
        scores = reading.text_score(["ab"], ["ab"], ["xy"])
        assert scores.value == 1.0
        assert scores.more == {"lines_right": 1.0, "lines_as_reference": 0.0}


class TestRanks:
    def test_monotone_is_perfect_and_reversed_is_its_opposite(self) -> None:
        values = np.array([0.1, 0.5, 0.2, 0.9])
        assert ranks.spearman(values**3, values) == pytest.approx(1)
        assert ranks.spearman(-values, values) == pytest.approx(-1)

    def test_ties_share_their_rank(self) -> None:
        assert ranks.spearman(np.array([1.0, 1, 2]), np.array([1.0, 2, 3])) == pytest.approx(
            0.866025, abs=1e-5
        )

    def test_constants_and_nan_are_worth_nothing(self) -> None:
        values = np.arange(3.0)
        assert ranks.spearman(np.ones(3), values) == 0
        assert ranks.spearman(np.array([0, np.nan, 1]), values) == 0

    def test_every_pair_once(self) -> None:
        found = ranks.similarities(np.array([[1.0, 0], [0, 2], [3, 3], [0, 0]]))
        assert found == pytest.approx([0, 0.5**0.5, 0, 0.5**0.5, 0, 0])


class TestFamilies:
    def test_names_are_unique_and_gates_are_known(self) -> None:
        assert len({task.name for task in TASKS}) == len(TASKS)
        for task in TASKS:
            MetricName().convert(task.gate, None, None)

    def test_gates_that_are_functions_can_be_loaded(self) -> None:
        entries = [task.gate.removeprefix("entry:") for task in TASKS if task.gate.startswith("entry:")]
        assert entries
        for entry in entries:
            assert callable(load_metric(entry))

    def test_posters_tell_where_their_ink_is(self) -> None:
        image, known = detection.poster(np.random.default_rng(3), "calibration")
        assert image.size == (detection.SIDE, detection.SIDE)
        assert known == detection.poster(np.random.default_rng(3), "calibration")[1]
        assert all(0 <= left < right < 320 and 0 <= top < bottom < 320 for left, top, right, bottom in known)

    def test_detections_are_judged_by_reference_and_by_truth(self) -> None:
        box = [0.0, 0.0, 10.0, 10.0]
        scores = detection.score([[box], [box]], [[box, [20, 20, 30, 30]], None], [[box], []])
        assert scores.value == pytest.approx(2 / 3)
        assert scores.more["f1_of_true_boxes"] == pytest.approx(2 / 3)

    def test_a_distance_is_the_mean_of_its_distribution(self) -> None:
        columns = layout.WIDTH // 32
        logits = np.full((25 * columns, 4, 8), -1e9)
        logits[:, :, 1] = logits[:, :, 3] = 0  # two strides
        found = layout.decode(logits.reshape(len(logits), 32), 32)
        inner = 4 * columns + 5
        assert found[inner] == pytest.approx([(5.5 - 2) * 32, (4.5 - 2) * 32, (5.5 + 2) * 32, (4.5 + 2) * 32])

    def test_layouts_match_within_their_class(self) -> None:
        one, other = [0.0, 0, 0, 9, 9], [1.0, 0, 0, 9, 9]
        assert layout.score([[one]], [None], [[one]]).value == 1
        assert layout.score([[other]], [None], [[one]]).value == 0

    def test_features_of_short_and_long_files(self) -> None:
        short = filetype.features(b"  ab\n")
        assert short[:3].tolist() == [97, 98, 10]
        assert short[-4:].tolist() == [32, 32, 97, 98]
        assert (short == filetype.PADDING).sum() == 2048 - 7
        long = filetype.features(bytes(range(1, 256)) * 40)
        assert long[0] == 1
        assert long[-1] == 255
        assert filetype.PADDING not in long

    def test_speech_is_the_same_every_time(self) -> None:
        first, again = (speech.clip(np.random.default_rng(5)) for _ in range(2))
        assert first.shape == (64000,)
        assert first.dtype == np.float32
        assert np.array_equal(first, again)

    def test_state_and_the_end_of_a_chunk_are_fed_back(self) -> None:
        audio = np.arange(3 * speech.CHUNK, dtype=np.float32)
        counting = lambda feeds: {"output": feeds["input"][:, :1], "stateN": feeds["state"] + 1}  # noqa: E731
        requests = [feeds for feeds, _ in voice.rolled(counting, audio, rated=True)]
        assert [feeds["state"].max() for feeds in requests] == [0, 1, 2]
        assert [feeds["input"][0, 0] for feeds in requests] == [0, 512 - 64, 1024 - 64]
        assert requests[0]["sr"] == 16000

    def test_decisions_that_differ_are_counted(self) -> None:
        scores = voice.score([[0.4, 0.6]], [None], [[0.3, 0.4]])
        assert scores.value == 0.5
        assert scores.more["worst_difference"] == pytest.approx(0.2)


class TestCloseness:
    def test_the_output_that_agrees_least_counts(self) -> None:
        close, x = Closeness(), np.array([1.0, 0.0])
        close.add({"a": x, "b": x}, {"a": x, "b": np.array([1.0, 1.0])})
        close.add({"a": x, "b": x}, {"a": x, "b": x})
        assert close.cosine == pytest.approx((0.5**0.5 + 1) / 2)
        assert close.worst_error == 1

    @pytest.mark.parametrize("found", [{}, {"a": np.ones(3)}, {"a": np.array([np.nan, 0])}])
    def test_missing_misshapen_and_nan_are_as_far_as_can_be(self, found: dict[str, np.ndarray]) -> None:
        close = Closeness()
        close.add({"a": np.ones(2)}, found)
        assert (close.cosine, close.worst_error) == (0, np.inf)

    def test_zeros_are_like_zeros_alone(self) -> None:
        assert cosine(np.zeros(2), np.zeros(2)) == 1
        assert cosine(np.zeros(2), np.ones(2)) == 0


class TestVerdicts:
    def test_a_fast_peer_that_fails_the_gate_is_no_rival(self) -> None:
        found = result(nncf=(5.0, 0.88, 0.99), **{"openvino-bf16": (2.0, 0.895, 0.9999)})
        assert best_peer(found, DROP.passes) == ("openvino-bf16", 2.0)
        assert not within_drop(found, "nncf")

    def test_where_no_peer_is_faster_the_baseline_is_the_rival(self) -> None:
        assert best_peer(result(onnxslim=(0.9, 0.9, 1.0)), DROP.passes) == (BASELINE, 1.0)

    def test_ours_that_fails_its_gate_has_no_speed(self) -> None:
        found = verdict(result(**{"burnish-task": (4.0, 0.88, 0.99)}), DROP)
        assert (found.ours, found.holds) == (None, False)

    def test_behind_a_peer_is_told_and_within_noise_is_not(self) -> None:
        behind = result(nncf=(3.0, 0.9, 0.99), **{"burnish-task": (2.5, 0.9, 0.99)})
        level = result(nncf=(3.0, 0.9, 0.99), **{"burnish-task": (2.95, 0.9, 0.99)})
        assert not verdict(behind, DROP).holds
        assert verdict(level, DROP).holds
        assert "behind nncf" in " ".join(lines([behind], DROP))

    def test_bars_are_geometric_means(self) -> None:
        said = lines([result(**{"burnish-task": (s, 0.9, 1.0)}) for s in (2.0, 8.0)], DROP)
        assert "4.00 ×" in said[0]
        assert "met" in said[0]
        assert "missed" in lines([result(**{"burnish-cosine": (2.0, 0.9, 0.9995)})], COSINE)[0]
        assert geomean([]) is None

    def test_a_failing_gate_counts_as_no_gain(self) -> None:
        said = lines([result(**{"burnish-cosine": (9.0, 0.9, 0.99)})], COSINE)
        assert "1.00 ×" in said[0]
        assert "counted as 1" in said[1]


class TestTelling:
    def test_tables_mark_failures_and_drops(self) -> None:
        found = result(nncf=(5.0, 0.88, 0.99))
        found.built["ort-static"] = Built("ort-static", "key", failed="exit 1: invalid graph")
        tools = telling.shown([found])
        row = dict(zip(telling.columns(tools), telling.speed_row(found, tools), strict=True))
        assert row["NNCF INT8"] == "(5.00 ±0.10)"
        assert row["ORT static QDQ INT8"] == "fails"
        assert telling.failures([found], tools) == [["m", "ORT static QDQ INT8", "exit 1: invalid graph"]]

    def test_a_failure_says_nothing_of_where_files_were(self) -> None:
        found = result()
        found.built["ort-static"] = Built(
            "ort-static", "", failed="exit 1: /a/b-c/d.e/model.onnx: src/core.cpp"
        )
        [[_, _, why]] = telling.failures([found], telling.shown([found]))
        assert why == "exit 1: …/model.onnx: src/core.cpp"

    def test_results_come_back_from_disk(self, tmp_path: Path) -> None:
        found = result(nncf=(5.0, 0.88, 0.99))
        save(tmp_path / "optimize.json", [found], {"date": "2026-01-02"})
        again, facts = load(tmp_path / "optimize.json")
        assert again == [found]
        assert facts == {"date": "2026-01-02"}
        assert json.loads((tmp_path / "optimize.json").read_text())["results"][0]["model"] == "m"

    def test_the_page_has_all_its_parts(self, tmp_path: Path) -> None:
        found = result(nncf=(5.0, 0.88, 0.99), **{"burnish-task": (4.0, 0.9, 0.99)})
        facts = {
            "date": "2026-01-02",
            "machine": {"model": "Some CPU", "cores": "2", "features": "AVX2"},
            "versions": {"openvino": "1.2"},
        }
        page = document.write([found], facts, tmp_path / "benchmarks.md").read_text()
        for part in (
            "2026-01-02",
            "Some CPU",
            "openvino 1.2",
            "4.00 ×",
            "benchmarks-one.svg",
            "| m | accuracy |",
        ):
            assert part in page
        assert "$" not in page
        assert "benchmarks-all.svg" not in page

    def test_pictures_are_xml_with_a_mark_a_tool_and_hollow_ones_fail(self) -> None:
        found = result(nncf=(5.0, 0.88, 0.99), **{"burnish-task": (4.0, 0.9, 0.99)})
        drawn = picture([found], "a < b")
        root = ElementTree.fromstring(drawn)
        assert root.tag.endswith("svg")
        assert drawn.count("<polygon") == 2  # a row's and the legend's
        assert drawn.count("<circle") == 2
        assert "NNCF INT8: 5.00 ×, fails the gate" in drawn

    def test_tools_build_on_tools_that_stand_before_them(self) -> None:
        names = [tool.name for tool in TOOLS]
        assert all(names.index(tool.of) < names.index(tool.name) for tool in TOOLS if tool.of)


class TestCells:
    def test_what_a_build_dies_of_is_its_result(self, tmp_path: Path) -> None:
        log = tmp_path / "build.log"
        assert run([sys.executable, "-c", "pass"], log, 20) == ""
        assert run([sys.executable, "-c", "raise ValueError('odd graph')"], log, 20) == (
            "exit 1: ValueError: odd graph"
        )
        assert run([sys.executable, "-c", "import os; os.abort()"], log, 20).startswith("SIGABRT")
        assert run([sys.executable, "-c", "import time; time.sleep(60)"], log, 0.3) == "no result in 0 s"

    def test_files_that_tools_leave_stay_in_their_cell(self, tmp_path: Path) -> None:
        assert run([sys.executable, "-c", "open('left', 'w').close()"], tmp_path / "build.log", 20) == ""
        assert (tmp_path / "left").is_file()

    def test_a_cell_is_kept_while_its_key_is_the_same(self, tmp_path: Path) -> None:
        data = Data(tmp_path / "m.onnx", tmp_path / "v1/calibration", tmp_path, tmp_path, [], "v1", "c")
        first = build(TASKS[0], data, TOOLS[0], tmp_path / "ort", threads=1, limit_seconds=1)
        again = build(TASKS[0], data, TOOLS[0], tmp_path / "ort", threads=1, limit_seconds=1)
        other = replace(data, version="v2")
        assert first == again
        assert first.model == str(tmp_path / "m.onnx")
        assert build(TASKS[0], other, TOOLS[0], tmp_path / "ort", threads=1, limit_seconds=1).key != first.key

    def test_a_tool_that_builds_on_a_failure_fails_with_its_reason(self, tmp_path: Path) -> None:
        data = Data(tmp_path / "m.onnx", tmp_path / "v1/calibration", tmp_path, tmp_path, [], "v1", "c")
        (tmp_path / "nncf").mkdir()
        (tmp_path / "nncf/built.json").write_text(json.dumps(asdict(Built("nncf", "key", failed="exit 1"))))
        after = next(tool for tool in TOOLS if tool.of == "nncf")
        made = build(TASKS[0], data, after, tmp_path / after.name, threads=1, limit_seconds=1)
        assert made.failed == "exit 1"

    def test_errors_of_ours_are_told_whole(self, tmp_path: Path) -> None:
        told = "print('noise'); print('error: x (InvalidJob)'); print('  found: y'); raise SystemExit(2)"
        assert (
            run([sys.executable, "-c", told], tmp_path / "log", 20)
            == "exit 2: error: x (InvalidJob) found: y"
        )
