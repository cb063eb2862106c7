-- By the primary key, a page after the other.
select recipient, account, since, lifted_at, keyword, channel, number
from opt_outs
where lifted_at is null and (recipient, account) > ($1, $2)
order by recipient, account
limit $3
