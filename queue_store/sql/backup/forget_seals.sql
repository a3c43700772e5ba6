-- Every row of the audit log that is restored is sealed as it comes.
UPDATE public.audit_seal SET number = 0, seal = '', purged_number = 0, purged_seal = ''
