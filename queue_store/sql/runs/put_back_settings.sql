-- Restores the settings to their values at the beginning of the slice. The settings that choose a role are restored
-- first, because the other settings may need the role's rights.
SELECT set_config(kept.name, kept.value, true)
FROM json_each_text(nullif(current_setting('processing_queue.settings', true), '')::json) AS kept(name, value)
WHERE coalesce(current_setting(kept.name, true), '') <> kept.value
