"""Message classes from serialized descriptors."""

import base64
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

POOL = DescriptorPool()


def build(text: str, namespace: dict[str, Any]) -> FileDescriptor:
    """Add a file to the pool, and its messages, enums and their values to a module's namespace.

    Args: text: a serialized FileDescriptorProto in base64, in lines.
    """
    serialized = base64.b64decode(text)
    POOL.AddSerializedFile(serialized)
    file = POOL.FindFileByName(FileDescriptorProto.FromString(serialized).name)
    for name, message in file.message_types_by_name.items():
        namespace[name] = message_factory.GetMessageClass(message)
    for name, enum in file.enum_types_by_name.items():
        namespace[name] = EnumTypeWrapper(enum)
        namespace.update({value.name: value.number for value in enum.values})
    return file
