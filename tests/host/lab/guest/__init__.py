"""Programs that the lab puts on hosts; each runs by itself on the host's own python3."""
