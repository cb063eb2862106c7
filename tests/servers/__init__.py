"""Private RabbitMQ, Redis and PostgreSQL: started from installed binaries on free loopback ports, as any user.

    with PrivatePostgres() as postgres:
        connect(postgres.url)
        postgres.kill()     # as in a crash
        postgres.start()    # same address, same data

Standard library only: tests/run uses this before anything is installed.
"""

from tests.servers.postgres import PrivatePostgres
from tests.servers.rabbitmq import PrivateRabbit
from tests.servers.redis import PrivateRedis
from tests.servers.server import PrivateServer, ServerError

__all__ = ["PrivatePostgres", "PrivateRabbit", "PrivateRedis", "PrivateServer", "ServerError"]
