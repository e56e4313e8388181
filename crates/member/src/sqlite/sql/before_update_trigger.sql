-- Notes the rows that the update would replace.
CREATE TRIGGER {trigger} BEFORE UPDATE ON {base}
WHEN {unique_changed}
BEGIN
{note_replaced}
END
