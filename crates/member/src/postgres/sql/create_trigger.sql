CREATE TRIGGER {trigger} {when} ON {base} {referencing}FOR EACH STATEMENT EXECUTE FUNCTION {routine}()
