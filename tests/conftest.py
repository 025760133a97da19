"""`make test` says the same of the same code; `make test-long` looks for what no one has tried yet."""

from hypothesis import settings

settings.register_profile("same", derandomize=True, print_blob=True)
settings.register_profile("explore", derandomize=False, print_blob=True)
settings.load_profile("same")
