-- The receipt that stands.  KEYS: the job's record.
return read(KEYS[1]).receipt
