"""The message store in PostgreSQL: one row per job in `messages`, one per receipt in `receipts`, both by day."""
