"""The Open Inference Protocol, version 2, with Triton's binary tensor data extension. Pure.

Source: kserve/open-inference-protocol, `specification/protocol/inference_rest.md`;
triton-inference-server/server, `docs/protocol/extension_binary_data.md`.
"""
