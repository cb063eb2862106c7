select count(*) from scheduled where due_at < 'infinity'
