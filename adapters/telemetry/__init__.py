"""Who listens to `engine.events`: logs for people, metrics for Prometheus."""
