"""Redis: who holds a job, what its number was charged, which job a carrier means, and whose turn it is."""
