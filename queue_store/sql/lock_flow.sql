-- Runs of one flow begin one after the other. A statement of its own, before register_run: that one must count the
-- runs in a snapshot taken after the wait, or several would count the same ones and exceed the cap.
SELECT 1 FROM flows WHERE flow_name = %(flow_name)s FOR NO KEY UPDATE
