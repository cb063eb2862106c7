-- Of several workers one searches on; if it dies, another does after a minute.
update searches
set held_until = now() + interval '1 minute'
where name = $1 and held_until <= now()
returning at, job
