"""Half a minute of the soak: `make soak` runs it for an hour."""

from pathlib import Path

import pytest

from burnish_bench.soaking import samples
from burnish_bench.soaking.kinds import KINDS
from burnish_bench.soaking.run import soak
from support.onnx_models import write_adder

pytestmark = pytest.mark.integration

SECONDS = 30.0


def test_mixed_load_leaves_a_server_as_it_was(tmp_path: Path) -> None:
    engine = write_adder(tmp_path / "engine")
    model, known = samples.draw(engine, {})
    found = soak(engine, model, known, tmp_path / "server.log", seconds=SECONDS, concurrency=8, seed=0)
    assert not found.errors
    assert set(found.asked) == {kind.name for kind in KINDS}
    assert [text for holds, text in found.verdicts() if not holds] == []
