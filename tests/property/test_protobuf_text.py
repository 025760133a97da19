"""Whatever stands in a message, protobuf reads the same."""

from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2

from burnish_engine.layout.protobuf_text import Enum, mapped, write

# Protobuf's strings are UTF-8, which has no lone surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    name=TEXTS,
    dims=st.lists(st.integers(-(2**63), 2**63 - 1)),
    options=st.dictionaries(TEXTS, TEXTS),
    zero=st.booleans(),
)
def test_every_value_is_read_back(name: str, dims: list[int], options: dict[str, str], zero: bool) -> None:
    text = write(
        {
            "name": name,
            "input": [{"name": name, "data_type": Enum("TYPE_BF16"), "dims": dims}],
            "parameters": mapped({k: {"string_value": v} for k, v in options.items()}),
            "model_warmup": [{"inputs": mapped({name: {"zero_data": zero}})}],
        }
    )
    read = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (read.name, list(read.input[0].dims)) == (name, dims)
    assert read.input[0].data_type == model_config_pb2.TYPE_BF16
    assert {k: v.string_value for k, v in read.parameters.items()} == options
    assert read.model_warmup[0].inputs[name].zero_data is zero
