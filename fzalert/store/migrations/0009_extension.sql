-- A report that waits keeps the extension of the sender's number: it tells two texts to one person
-- apart where both answers were lost.
ALTER TABLE orphan ADD COLUMN extension TEXT NOT NULL DEFAULT '';
