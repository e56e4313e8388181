"""Makes the stack's first member, hq.db, from hq.sql, unless it is there.

Runs in a container of its own before everything else; the file appears under its name only when it is complete.
"""

import os
import pathlib
import sqlite3
import sys

members, source = (pathlib.Path(argument) for argument in sys.argv[1:3])
target = members / "hq.db"
if target.exists():
    print(f"{target} is there already")
    sys.exit()
unfinished = members / "hq.db.new"
unfinished.unlink(missing_ok=True)
with sqlite3.connect(unfinished) as database:
    database.executescript(source.read_text(encoding="utf-8"))
database.close()
os.rename(unfinished, target)
print(f"made {target}")
