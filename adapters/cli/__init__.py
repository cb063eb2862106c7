"""The command line: `sms-engine worker` and the commands around it."""

from __future__ import annotations

import gc
import sys
from importlib.metadata import PackageNotFoundError, version

from cyclopts import App

from adapters.cli.csv_jobs import CsvError
from adapters.cli.errors import CommandError
from adapters.telemetry.logs import quieten_libraries
from config.load import ConfigError

HELP = """Delivers SMS through several carriers: limits per number and signature, failover by health, receipts for all.

Try it with nothing installed:  **sms-engine demo**

On RabbitMQ, Redis and Postgres: set SMS_AMQP_URL, SMS_REDIS_URL and SMS_POSTGRES_URL, run **sms-engine init** once,
then **sms-engine worker**. With none of the three set, a worker runs embedded and takes jobs over HTTP.
"""


def _version() -> str:
    try:
        return version("sms-engine")
    except PackageNotFoundError:  # run from a checkout
        return "not installed"


COMMANDS = ("demo", "init", "worker", "channels", "send", "receipts", "replies", "blocks", "job", "dead", "carrier")

app = App(name="sms-engine", help=HELP, version=_version, help_format="markdown")
for command in COMMANDS:
    app.command(f"adapters.cli.{command}:{command}")  # imported when it is called, so that each starts quickly


def main() -> None:
    """Run the command line; a mistake of the user's is one sentence and exit code 2."""
    quieten_libraries()
    gc.disable()  # what is imported stays
    called = [command for command in COMMANDS if sys.argv[1:2] == [command]]
    for command in called or COMMANDS:  # help tells of every one
        app[command]
    gc.enable()
    try:
        app()
    except (ConfigError, CsvError, CommandError) as error:
        print(f"sms-engine: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
