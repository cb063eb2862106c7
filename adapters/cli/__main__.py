"""`python -m adapters.cli` is `sms-engine`."""

from adapters.cli import main

main()
