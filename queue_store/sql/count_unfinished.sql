-- How many records are processing, or failed; counted up to the limit.
SELECT count(*) FROM (
    SELECT FROM processing_queue
    WHERE status = 'failed' AND %(status)s = 'failed' OR status = 'processing' AND %(status)s = 'processing'
    LIMIT %(limit)s) counted
