"""`config.json` of OpenVINO Model Server, from what the engine was measured with.

Axes stay free: neither `shape` nor `batch_size` is set, because "auto" compiles the model anew each time.
Source: openvinotoolkit/model_server, "Model Server Parameters", "Metrics".
"""

import json

from burnish_engine.descriptor import EngineDescriptor

CONFIG_FILE = "config.json"
VERSION = 1
PRECISION = "INFERENCE_PRECISION_HINT"


def config(engine: EngineDescriptor, name: str, threads: int) -> str:
    """The whole file. The model's path is relative to it.

    Args: name: of the model in URLs, and of its folder.   threads: of one run.
    """
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        # Said always: left alone, OpenVINO computes in bfloat16 on processors that can.
        PRECISION: "f32",
        "INFERENCE_NUM_THREADS": str(threads),
        "ENABLE_CPU_PINNING": "NO",
        **engine.options.properties,
    }
    streams = properties.get("NUM_STREAMS", "")
    model: dict[str, object] = {
        "name": name,
        "base_path": name,
        "target_device": "CPU",
        "plugin_config": properties,
        "model_version_policy": {"specific": {"versions": [VERSION]}},
        # As many requests at once as there are streams; absent, OpenVINO says how many are best.
        **({"nireq": int(streams)} if streams.isdecimal() else {}),
    }
    whole = {"model_config_list": [{"config": model}], "monitoring": {"metrics": {"enable": True}}}
    return f"{json.dumps(whole, indent=2)}\n"
