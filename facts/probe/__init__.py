"""The probe: stdlib-only code that runs on the target's own python3 (3.8+) and only looks.

Each module observes one subject through `observe(query)`. Nothing here changes the machine, judges, or raises:
what cannot be known is None.
"""
