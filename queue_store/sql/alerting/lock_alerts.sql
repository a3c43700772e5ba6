-- One judges at a time.
LOCK TABLE alerts IN SHARE ROW EXCLUSIVE MODE
