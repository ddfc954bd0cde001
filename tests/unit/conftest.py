"""The same examples on every run: a test that fails today fails tomorrow."""

from hypothesis import settings

settings.register_profile("unit", derandomize=True, deadline=None, max_examples=60, database=None)
settings.load_profile("unit")
