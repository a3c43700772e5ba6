SELECT DISTINCT contact FROM alert_notices WHERE alert_id = %(alert_id)s ORDER BY contact
