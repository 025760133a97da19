"""What a probe is told in tests: one small network on one thread, and its samples."""

from burnish_engine.descriptor import RunOptions
from burnish_engine.request import Backend
from burnish_optimizer.ingest.samples import DataSpec
from burnish_optimizer.tasks import ProbeTask
from support import optimizer_nets as nets


def probe_task(folder, **fields):
    """Everything in `folder`; `fields` are further ones of the task."""
    return ProbeTask(
        model=str(nets.save_net(folder / "net.onnx")),
        backend=Backend.ONNXRUNTIME,
        options=RunOptions(threads=1),
        data=DataSpec(path=str(nets.save_samples(folder / "data.npz"))),
        answers=str(folder),
        outputs=(),
        batch=1,
        batch_error=None,
        **fields,
    )
