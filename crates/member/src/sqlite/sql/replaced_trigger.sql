-- The end of a statement that has noted rows.
CREATE TRIGGER {trigger} AFTER {event} ON {base}
WHEN EXISTS (SELECT 1 FROM {replaced})
BEGIN
{settle}
END
