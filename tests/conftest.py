"""`make test` says the same of the same code; `make test-long` looks for what no one has tried yet."""

from typing import Any

from hypothesis import HealthCheck, settings

# Time says nothing on a busy machine: no test fails for it.
TIMELESS: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, print_blob=True, **TIMELESS)
settings.register_profile("explore", derandomize=False, print_blob=True, **TIMELESS)
settings.load_profile("same")
