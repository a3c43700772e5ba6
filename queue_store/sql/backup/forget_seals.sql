-- Resets the seals and their counters, so that the audit log is treated as empty and unsealed. Each restored row is
-- sealed again when it is inserted.
UPDATE public.audit_seal SET number = 0, seal = '', purged_number = 0, purged_seal = ''
