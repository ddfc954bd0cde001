"""Only the repairs: what was set up once is put back as it was, every library and weight read whole; no other release is chosen."""

from deploy import compose

compose.run(compose.ALL, repair=True, name="Repair the workstation")
