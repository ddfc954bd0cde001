"""Print what the probe sees, as JSON, for bug reports. Nothing is changed."""

import json

import click
from pyinfra import host, logger
from pyinfra.api.exceptions import ConnectError

from deploy import compose

try:
    click.echo(json.dumps({host.name: compose.begin().look()}, indent=1, sort_keys=True))
except ConnectError as error:
    logger.error(f"{host.print_prefix}{error}")
