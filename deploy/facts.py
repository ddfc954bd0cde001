"""Print what the probe sees, as JSON, for bug reports. Nothing is changed."""

import json

import click
from pyinfra import host

from deploy import compose

seen = compose.begin().look()
click.echo(json.dumps({host.name: seen}, indent=1, sort_keys=True))
