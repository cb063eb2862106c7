select job, min(day) as day from messages where job = any($1::uuid[]) group by job
