SELECT attname::text FROM pg_attribute
WHERE attrelid = ('public.' || %(table)s)::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
