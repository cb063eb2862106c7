-- Opt-ins, where no later word is known of the number and account.
update opt_outs
set lifted_at = said.at
from unnest($1::text[], $2::text[], $3::timestamptz[]) as said (recipient, account, at)
where opt_outs.recipient = said.recipient
  and opt_outs.account = said.account
  and said.at > greatest(opt_outs.since, opt_outs.lifted_at)
