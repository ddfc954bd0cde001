"""One endpoint for a lab: a gateway with TLS and a key, and on each workstation a door that admits the gateway alone."""

from deploy import compose

compose.endpoint()
