"""Errors of loading and running an engine.

BurnishError
└── StalledError
    ├── UnsupportedBackend   the library, the device or its driver is not here
    ├── InvalidModel         the model cannot be loaded, or is not what its descriptor says
    ├── InvalidOptions       the backend refuses an option
    ├── InvalidInput         the caller's tensors do not fit the model
    ├── InferenceFailed      the model was run, and broke
    └── GoldenMismatch       the engine computes other answers here than where it was made
"""

from burnish_engine.errors import StalledError


class UnsupportedBackend(StalledError):
    """This process cannot run that backend."""


class InvalidModel(StalledError):
    """A model file that the backend cannot load, or that is not what its descriptor says."""


class InvalidOptions(StalledError):
    """Run options that the backend does not know or does not take."""


class InvalidInput(StalledError):
    """Feeds that do not fit the model: names, element types, shapes, or requested outputs."""


class InferenceFailed(StalledError):
    """The backend broke while it ran the model on feeds that looked right."""


class GoldenMismatch(StalledError):
    """An engine whose answers here are not those that it recorded where it was made."""
