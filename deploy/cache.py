"""One download for a lab: this machine keeps packages, wheels and weights for those whose setting `cache` names it."""

from deploy import compose

compose.lan_cache()
