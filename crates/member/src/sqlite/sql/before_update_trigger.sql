-- Notes the rows that the update would replace.
CREATE TRIGGER {trigger} BEFORE UPDATE ON {base}
WHEN {may_replace}
BEGIN
{note_replaced}
END
