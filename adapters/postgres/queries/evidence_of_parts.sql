select * from delivery_receipts where job = any($1::uuid[]) and part is not null and state <> 'submitted'
