select raw from receipts where job = $1 order by at, final
