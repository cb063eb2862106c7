"""Jobs and receipts over RabbitMQ 3.10 and later: quorum queues, confirms, and connections that come back."""
