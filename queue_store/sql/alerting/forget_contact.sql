-- Forgets a contact that somebody removed from all settings. The waiting notifications of this contact are dropped.
WITH forgotten AS (
    DELETE FROM public.alert_contacts WHERE contact = %(contact)s RETURNING contact
), dropped AS (
    UPDATE public.alert_notices SET dropped_at = clock_timestamp()
    WHERE contact IN (SELECT contact FROM forgotten) AND sent_at IS NULL AND dropped_at IS NULL
    RETURNING id
), noted AS (
    INSERT INTO public.audit_log (actor, action, target, affected_count)
    SELECT %(actor)s, 'forget contact', contact, (SELECT count(*) FROM dropped) FROM forgotten GROUP BY contact
)
SELECT count(*) FROM forgotten
