select raw from receipts order by at desc limit $1
