update scheduled set due_at = 'infinity' where job = $1
