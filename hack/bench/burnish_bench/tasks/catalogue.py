"""The models of the bars, in the order of the table."""

from burnish_bench.tasks.base import Task
from burnish_bench.tasks.detection import DETECTOR
from burnish_bench.tasks.filetype import FILE_TYPE
from burnish_bench.tasks.layout import LAYOUT
from burnish_bench.tasks.orientation import ORIENTATION
from burnish_bench.tasks.reading import DIRECTION, RECOGNIZER
from burnish_bench.tasks.sentences import SENTENCES
from burnish_bench.tasks.voice import VOICE

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


def task_named(name: str) -> Task:
    """A model of the table. Raises: StopIteration: there is none of that name."""
    return next(task for task in TASKS if task.name == name)
