-- Opt-ins, where no later word is known: of the account, and of those opted out of at the same number of ours.
update opt_outs
set lifted_at = said.at
from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[]) as said (recipient, account, at, number)
where opt_outs.recipient = said.recipient
  and (opt_outs.account = said.account or opt_outs.number = said.number)
  and said.at > greatest(opt_outs.since, opt_outs.lifted_at)
