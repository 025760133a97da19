"""Which way up a page is: typeset pages and a scan, turned by quarters."""

from collections.abc import Iterator
from pathlib import Path

from burnish_bench.tasks.base import CALIBRATION, Example, Task, carried_by
from burnish_bench.tasks.reading import accuracy, class_reader
from burnish_demo.models import PAGE_ORIENTATION
from burnish_demo.pages import CALIBRATION as SEEN
from burnish_demo.pages import EVALUATION as UNSEEN
from burnish_demo.pages import page_samples
from burnish_demo.samples import LABEL


def turned_pages(kind: str, _: Path) -> Iterator[Example]:
    """The demo's pages: 64 to calibrate with, 180 to judge by."""
    pages = page_samples(SEEN if kind == CALIBRATION else UNSEEN, labelled=True)
    for pixels, label in zip(pages["x"], pages[LABEL], strict=True):
        yield Example({"x": pixels[None]}, label=int(label), truth=int(label))


ORIENTATION = Task(
    "orientation",
    carried_by(PAGE_ORIENTATION),
    "accuracy on pages turned by quarters",
    "accuracy",
    turned_pages,
    class_reader,
    accuracy,
)
