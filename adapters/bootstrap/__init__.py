"""The composition root: the one place that knows every part and puts the parts together."""

from adapters.bootstrap.service import Role, Service, service

__all__ = ["Role", "Service", "service"]
