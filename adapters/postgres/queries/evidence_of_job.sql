select * from delivery_receipts where job = $1 order by received_at
