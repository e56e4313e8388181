"""Rebuilds a group's tables from its resolved topics, without a line of Tributary's own code.

    python rebuild.py --brokers localhost:9092 --registry http://localhost:8081 --group retail --out retail.db

reads every `<prefix>.<group>.resolved.*` from its beginning to where it ends now, only what was committed, and writes the rows
into a SQLite file. It shows all that a consumer has to know: docs/consumers.md explains it, and the test consumers.rs holds
the file that comes out to a member's. It needs requirements.txt.

What it does not do: go on reading. A program that stays would keep its offsets beside the rows, in the same transaction.
"""

import argparse
import datetime
import decimal
import io
import json
import re
import sqlite3
import struct
import sys
import urllib.request
import uuid

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

TICKS_A_SECOND = 10_000_000
EPOCH = datetime.datetime(1970, 1, 1)
SQL_TYPES = {"boolean": "BOOLEAN", "int": "INTEGER", "long": "INTEGER", "float": "REAL", "double": "REAL", "bytes": "BLOB"}


def unmangle(name):
    """The name that stands mangled in topics and fields: _xHHHH_ is a character."""
    return re.sub(r"_x([0-9A-Fa-f]{8}|[0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), name)


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


class Registry:
    """Schemas by their ids, each asked for once: a schema never changes under its id."""

    def __init__(self, url):
        self.url = url.rstrip("/")
        self.schemas = {}

    def schema(self, number):
        if number not in self.schemas:
            with urllib.request.urlopen(f"{self.url}/schemas/ids/{number}", timeout=30) as answer:
                text = json.load(answer)["schema"]
            # Both: fields are looked at as they were written, values are read with what fastavro makes of it.
            self.schemas[number] = json.loads(text), fastavro.parse_schema(json.loads(text))
        return self.schemas[number]

    def decode(self, framed):
        """A record and its schema. The framing is Confluent's: a zero, four bytes of the schema's id, the record."""
        magic, number = struct.unpack(">bI", framed[:5])
        if magic != 0:
            raise ValueError(f"it begins with {magic}, not with the zero of a framed record")
        written, parsed = self.schema(number)
        return fastavro.schemaless_reader(io.BytesIO(framed[5:]), parsed), written


def kind_of(field):
    """The type of a field and its logical type, without the union with null."""
    kind = field["type"]
    if isinstance(kind, list):
        kind = next(branch for branch in kind if branch != "null")
    if isinstance(kind, dict):
        return kind["type"], kind.get("logicalType")
    return kind, None


def sql_type(field):
    kind, logical = kind_of(field)
    # Decimals, dates and times as text: SQLite's numbers would round them.
    return "TEXT" if logical else SQL_TYPES.get(kind, "TEXT")


def clock(ticks):
    seconds, fraction = divmod(ticks, TICKS_A_SECOND)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text + (f".{fraction:07}".rstrip("0") if fraction else "")


def timestamp(ticks):
    """100 ns since 1970. Python's own times have microseconds, so the rest of a second goes by itself."""
    days, rest = divmod(ticks, 86_400 * TICKS_A_SECOND)
    return f"{(EPOCH + datetime.timedelta(days=days)).date().isoformat()} {clock(rest)}"


def sql_value(field, value):
    """A value as SQLite takes it. Two logical types are Tributary's own, and a reader that does not know them sees a long."""
    if value is None:
        return None
    _, logical = kind_of(field)
    if logical == "tributary-timestamp-ticks":
        return timestamp(value)
    if logical == "tributary-time-ticks":
        return clock(value)
    if isinstance(value, dict):
        # A timestamp with its offset: the clock of the place, and how far it is from UTC.
        minutes = value["offset_minutes"]
        local = timestamp(value["ticks"] + minutes * 60 * TICKS_A_SECOND)
        return f"{local}{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, (uuid.UUID, datetime.date)):
        return str(value)
    return int(value) if isinstance(value, bool) else value


class Tables:
    """The rows, by table. A table is made when its first key is seen, a column when its first row is."""

    def __init__(self, path):
        self.database = sqlite3.connect(path)
        self.columns = {}

    def prepare(self, table, key_fields, row_fields):
        known = self.columns.get(table)
        if known is None:
            key = [f"{quoted(unmangle(f['name']))} {sql_type(f)} NOT NULL" for f in key_fields]
            names = [quoted(unmangle(f["name"])) for f in key_fields]
            self.database.execute(f"CREATE TABLE {quoted(table)} ({', '.join(key)}, PRIMARY KEY ({', '.join(names)}))")
            known = self.columns[table] = {f["name"] for f in key_fields}
        for field in row_fields:
            if field["name"] not in known:
                column = f"{quoted(unmangle(field['name']))} {sql_type(field)}"
                self.database.execute(f"ALTER TABLE {quoted(table)} ADD COLUMN {column}")
                known.add(field["name"])

    def delete(self, table, key_fields, key):
        where = " AND ".join(f"{quoted(unmangle(f['name']))} = ?" for f in key_fields)
        values = [sql_value(f, key[f["name"]]) for f in key_fields]
        self.database.execute(f"DELETE FROM {quoted(table)} WHERE {where}", values)

    def put(self, table, row_fields, row):
        names = ", ".join(quoted(unmangle(f["name"])) for f in row_fields)
        marks = ", ".join("?" for _ in row_fields)
        values = [sql_value(f, row[f["name"]]) for f in row_fields]
        # The whole row each time: a column that nobody has set (dss.unset) is null.
        self.database.execute(f"INSERT OR REPLACE INTO {quoted(table)} ({names}) VALUES ({marks})", values)


def take(tables, registry, table, key, value):
    """One record of a resolved topic."""
    key, key_schema = registry.decode(key)
    key_fields = key_schema["fields"]
    tables.prepare(table, key_fields, [])
    envelope, row_fields = None, []
    # A null in place of the envelope: a deleted row has been forgotten, which happens long after its delete.
    if value is not None:
        envelope, schema = registry.decode(value)
        before = next(field for field in schema["fields"] if field["name"] == "before")
        # `before` is where the row's type is defined; `after` only names it.
        row_fields = next(branch for branch in before["type"] if branch != "null")["fields"]
    # A row that is gone has no `after`, whatever `op` says of how it came about.
    if envelope is None or envelope["after"] is None:
        tables.delete(table, key_fields, key)
    else:
        tables.prepare(table, key_fields, row_fields)
        tables.put(table, row_fields, envelope["after"])


def read(arguments):
    prefix = f"{arguments.prefix}.{arguments.group}.resolved."
    settings = dict(pair.split("=", 1) for pair in arguments.property)
    settings |= {
        "bootstrap.servers": arguments.brokers,
        # A consumer must have a group, though this one neither joins it nor stores offsets.
        "group.id": f"{arguments.group}-rebuild",
        "enable.auto.commit": False,
        # Without this, rows of transactions that were given up would be read as if they had happened.
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
    }
    consumer = Consumer(settings)
    topics = consumer.list_topics(timeout=30).topics
    wanted = [
        TopicPartition(name, partition, OFFSET_BEGINNING)
        for name, topic in topics.items()
        if name.startswith(prefix)
        for partition in topic.partitions
    ]
    if not wanted:
        sys.exit(f"there is no topic {prefix}*")
    registry, tables, records = Registry(arguments.registry), Tables(arguments.out), 0
    # Rows refer to each other, but arrive table by table: all is right when all has been read.
    tables.database.execute("PRAGMA foreign_keys = OFF")
    consumer.assign(wanted)
    unread = {(at.topic, at.partition) for at in wanted}
    while unread:
        for message in consumer.consume(num_messages=1000, timeout=1.0):
            at = message.topic(), message.partition()
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                unread.discard(at)
                continue
            if error is not None:
                sys.exit(f"{at[0]}, partition {at[1]}: {error}")
            table = unmangle(message.topic()[len(prefix) :])
            try:
                take(tables, registry, table, message.key(), message.value())
            except Exception as error:
                raise ValueError(f"{at[0]}, partition {at[1]}, offset {message.offset()}") from error
            records += 1
    consumer.close()
    tables.database.commit()
    print(json.dumps({"records": records, "tables": sorted(tables.columns)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--brokers", required=True, help="host:port of some brokers")
    parser.add_argument("--registry", required=True, help="the schema registry, as Confluent's clients are given it")
    parser.add_argument("--group", required=True, help="the group's name")
    parser.add_argument("--prefix", default="tributary", help="what the names of topics begin with")
    parser.add_argument("--out", required=True, help="the SQLite file; it must not exist")
    parser.add_argument("--property", action="append", default=[], metavar="NAME=VALUE", help="a setting of librdkafka")
    read(parser.parse_args())


if __name__ == "__main__":
    main()
