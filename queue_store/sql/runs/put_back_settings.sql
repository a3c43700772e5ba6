-- As they were when the slice began. The role comes first: the others may need its rights.
SELECT set_config(kept.name, kept.value, true)
FROM json_each_text(nullif(current_setting('processing_queue.settings', true), '')::json) AS kept(name, value)
WHERE coalesce(current_setting(kept.name, true), '') <> kept.value
