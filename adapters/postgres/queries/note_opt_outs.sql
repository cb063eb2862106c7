-- Opt-outs, where no later word is known of the number and account.
insert into opt_outs as known (recipient, account, since, keyword, channel, number)
select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[])
on conflict (recipient, account) do update set
    since = excluded.since,
    lifted_at = null,
    keyword = excluded.keyword,
    channel = excluded.channel,
    number = excluded.number
where excluded.since > greatest(known.since, known.lifted_at)
