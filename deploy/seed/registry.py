"""Tells the registry that new versions of a schema must be able to read what the last one wrote.

Apicurio's own default is that anything may follow anything.
"""

import json
import sys
import urllib.request

request = urllib.request.Request(
    f"{sys.argv[1]}/config",
    data=json.dumps({"compatibility": "BACKWARD"}).encode(),
    headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    method="PUT",
)
with urllib.request.urlopen(request, timeout=30) as answer:
    print(answer.read().decode())
