-- Notes the rows that the insert would replace.
CREATE TRIGGER {trigger} BEFORE INSERT ON {base}
WHEN {may_replace}
BEGIN
{note_replaced}
END
