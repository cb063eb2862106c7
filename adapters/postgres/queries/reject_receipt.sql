insert into receipts_rejected (id, job, error, raw) values ($1, $2, $3, $4) on conflict (id) do nothing
