select exists(select from messages where enqueued_at < $1)
