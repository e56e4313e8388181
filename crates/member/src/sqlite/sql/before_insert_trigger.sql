-- Notes the rows that the insert would replace.
CREATE TRIGGER {trigger} BEFORE INSERT ON {base}
BEGIN
{note_replaced}
END
