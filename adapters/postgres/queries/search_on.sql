update searches set at = $2, job = $3, held_until = now() where name = $1 and (at, job) <= ($2, $3)
