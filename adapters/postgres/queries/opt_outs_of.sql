select recipient, account, since, lifted_at, keyword, channel from opt_outs where recipient = $1 order by account
