delete from scheduled where job = any($1::uuid[])
