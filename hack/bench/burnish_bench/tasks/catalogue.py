"""The models of the bars, in the order of the table."""

from burnish_bench.tasks.base import Task
from burnish_bench.tasks.detection import DETECTOR
from burnish_bench.tasks.filetype import FILE_TYPE
from burnish_bench.tasks.layout import LAYOUT
from burnish_bench.tasks.orientation import ORIENTATION
from burnish_bench.tasks.pictures import classifier
from burnish_bench.tasks.reading import DIRECTION, RECOGNIZER
from burnish_bench.tasks.sentences import SENTENCES
from burnish_bench.tasks.voice import VOICE, voice_task
from burnish_bench.zoo import SILERO_16K, SILERO_IFLESS

TASKS: tuple[Task, ...] = (
    DETECTOR,
    RECOGNIZER,
    DIRECTION,
    ORIENTATION,
    LAYOUT,
    SENTENCES,
    FILE_TYPE,
    VOICE,
)

# Models that no choice of ours was made on.
HELD_OUT: tuple[Task, ...] = (
    voice_task("silero-16k", SILERO_16K.wheel),
    voice_task("silero-ifless", SILERO_IFLESS.wheel),
    *(classifier(f"light_{name}") for name in ("densenet121", "resnet50", "shufflenet", "squeezenet")),
)


def task_named(name: str) -> Task:
    """A model of either table. Raises: StopIteration: there is none of that name."""
    return next(task for task in (*TASKS, *HELD_OUT) if task.name == name)
