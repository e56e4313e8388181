#!/usr/bin/env bash
# Makes the passwords of the stack, in deploy/secrets/, where git does not look. What is there stays as it is.
set -euo pipefail
cd "$(dirname "$0")"

mkdir -p secrets
chmod 700 secrets

password() {
  # Letters of every kind, digits and a sign, as SQL Server demands.
  printf 'Aa1-%s' "$(head -c 24 /dev/urandom | base64 | tr -d '+/=\n')"
}

for name in grafana_password postgres_password; do
  if [ ! -e "secrets/$name" ]; then
    password >"secrets/$name"
    # The services read them as users of their own; the folder keeps everybody else out.
    chmod 644 "secrets/$name"
    echo "made secrets/$name"
  fi
done

if [ ! -e secrets/sqlserver.env ]; then
  {
    echo "MSSQL_SA_PASSWORD=$(password)"
    echo "# Microsoft's terms: https://go.microsoft.com/fwlink/?LinkId=746388. Put Y here if you accept them."
    echo "ACCEPT_EULA=N"
  } >secrets/sqlserver.env
  chmod 600 secrets/sqlserver.env
  echo "made secrets/sqlserver.env"
fi
