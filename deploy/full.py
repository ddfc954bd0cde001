"""Everything: after this a model answers. Run it again to repair."""

from deploy import compose

compose.run(compose.ALL)
