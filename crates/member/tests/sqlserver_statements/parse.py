"""Parses files of Transact-SQL, batches separated by GO, and says what is not of the language.

Arguments: the files. Ends with 1 if one of them cannot be parsed.
"""

import sys

import sqlfluff


def main() -> int:
    bad = 0
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as file:
            text = file.read()
        try:
            sqlfluff.parse(text, dialect="tsql")
        except sqlfluff.api.APIParsingError as error:
            bad += 1
            print(f"{name}: {error}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
