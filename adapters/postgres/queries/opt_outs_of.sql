select recipient, account, since, lifted_at, keyword, channel, number from opt_outs where recipient = $1 order by account
