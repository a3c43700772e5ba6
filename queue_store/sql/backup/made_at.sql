-- The date of a backup, by the clock of the database. This is the first query of the backup, so it takes the snapshot.
SELECT now()
