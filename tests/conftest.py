"""Fixtures every tier may use."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None, print_blob=True)
settings.load_profile("suite")


def _server(variable: str) -> str:
    url = os.environ.get(variable)
    if not url:
        pytest.fail(
            f"{variable} is not set: start the suite with tests/run, which starts private servers.", pytrace=False
        )
    return url


@pytest.fixture(scope="session")
def amqp_url() -> str:
    """A RabbitMQ broker for tests."""
    return _server("SMS_TEST_AMQP_URL")


@pytest.fixture(scope="session")
def redis_url() -> str:
    """A Redis server for tests."""
    return _server("SMS_TEST_REDIS_URL")


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """A PostgreSQL database for tests."""
    return _server("SMS_TEST_POSTGRES_URL")
