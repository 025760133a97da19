"""silero-vad: speech or not, chunk by chunk, its own state fed back. The speech is synthesized."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish_bench.execute import load
from burnish_bench.tasks.base import CALIBRATION, Arrays, Example, Read, Scores, Task, carried_by
from burnish_bench.tasks.speech import CHUNK, RATE, clip
from burnish_bench.zoo import SILERO
from burnish_demo.models import WheelModel
from burnish_runtime.session import Array, Session

CONTEXT = 64
CLIPS = {CALIBRATION: 8, "evaluation": 24}
COUNTS = {CALIBRATION: 96, "evaluation": 256}
SEEDS = {CALIBRATION: 41, "evaluation": 42}
AUDIO, STATE, SPEECH = "audio", "state", 0.5
Run = Callable[[dict[str, Array]], Arrays]


def chunks(kind: str, model: Path) -> Iterator[Example]:
    """Single requests out of clips, with the state that the untouched model was in."""
    session = load(model, optimized=False)
    outputs = [each.name for each in session.get_outputs()]
    rated = "sr" in {each.name for each in session.get_inputs()}

    def run(feeds: dict[str, Array]) -> Arrays:
        return dict(zip(outputs, session.run(outputs, feeds), strict=True))

    every = [request for audio in _clips(kind) for request, _ in rolled(run, audio, rated=rated)]
    for index in range(COUNTS[kind]):
        yield Example(every[index * len(every) // COUNTS[kind]])


def clips() -> Iterator[Example]:
    """Whole clips, for the judge."""
    for audio in _clips("evaluation"):
        yield Example({AUDIO: audio})


def _clips(kind: str) -> Iterator[Array]:
    return (clip(np.random.default_rng((SEEDS[kind], index))) for index in range(CLIPS[kind]))


def rolled(run: Run, audio: Array, *, rated: bool) -> Iterator[tuple[dict[str, Array], Arrays]]:
    """Each chunk's request and answer: 512 samples after the last 64 before them, the state fed back."""
    state, before = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32)
    for start in range(0, len(audio) - CHUNK + 1, CHUNK):
        now = audio[start : start + CHUNK]
        feeds = {"input": np.concatenate([before, now])[None], STATE: state}
        if rated:
            feeds["sr"] = np.array(RATE, np.int64)
        answer = run(feeds)
        yield feeds, answer
        state, before = answer["stateN"], now[-CONTEXT:]


def answer_clip(session: Session, arrays: Arrays) -> dict[str, Array]:
    """All chunks of a clip, one after the other: probabilities [chunks], and states [chunks, 2, 1, 128]."""
    rated = any(spec.name == "sr" for spec in session.inputs)
    answers = [found for _, found in rolled(session.run, arrays[AUDIO], rated=rated)]
    return {name: np.stack([each[name] for each in answers]) for name in answers[0]}


def speech_reader(_: Path) -> Read:
    """Probabilities of speech, chunk by chunk."""
    return lambda outputs: [float(p) for p in outputs["output"].ravel()]


def score(found: Sequence[Any], _: Sequence[Any], reference: Sequence[Any]) -> Scores:
    """Share of chunks that are told to be speech, or not, as the reference tells."""
    a, b = (np.concatenate([np.asarray(clip) for clip in side]) for side in (found, reference))
    worst = float(np.max(np.abs(a - b))) if np.isfinite(a).all() else float("inf")
    return Scores(float(np.mean((a > SPEECH) == (b > SPEECH))), {"worst_difference": worst})


def agreement(outputs: Arrays, reference: Arrays, _: Array | None) -> float:
    """1 where a chunk is decided as the reference does: what ours is asked to keep."""
    read = speech_reader(Path())
    return score([read(outputs)], [None], [read(reference)]).value


def voice_task(name: str, model: WheelModel) -> Task:
    """A variant of the model that takes one chunk and its state."""
    return Task(
        name,
        carried_by(model),
        "share of chunks decided as the reference does",
        "entry:burnish_bench.tasks.voice:agreement",
        chunks,
        speech_reader,
        score,
        clips=clips,
        answer=answer_clip,
    )


VOICE = voice_task("silero", SILERO.wheel)
