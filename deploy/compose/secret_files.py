"""Makes the files that docker-compose.yml mounts as secrets; those that are there stay.

    docker compose run --rm secrets [--renew-certificates]

Every file is readable by the user of the containers that it is mounted in and by nobody else, as docker-compose.yml
says who that is. What only people need is the checkout's owner's: `operator_token`, which is made once.

The authority's key is not kept. So new certificates, five years later or whenever one was lost, come with a new
authority, all at once: `--renew-certificates` writes them into the files that are there, since a container would not
see others. Heraut's services use them with the next connection, and so does Prometheus; then
`docker compose kill -s HUP postgres` and `docker compose restart kafka grafana`.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from deploy.certificates import Authority
from deploy.compose import kafka
from services.core.access import Principal, Role
from services.core.rooms import ROOMS, STAGES
from services.kit.files import keep_private
from services.kit.principals import Account, changing, issue_token, with_token
from services.kit.vault.key_files import create_keys

__all__ = ["AUTHORITY", "CERTIFICATES", "database_url", "give", "make", "mounted", "owners"]

CHECKOUT = Path(__file__).resolve().parents[2]
AUTHORITY = "authority"
# Who is reached at which name, by the file of key and certificate.
CERTIFICATES: Mapping[str, str] = {f"certificate_{stage}": stage for stage in STAGES} | {
    f"certificate_{host}": host for host in (kafka.HOST, "postgres", "grafana", "mail", "standins")
}
_LIFETIME = timedelta(days=5 * 365)
_PASSWORDS = ("postgres_password", "postgres_password_exporter", "grafana_password")
_TOKENS_LIVE = timedelta(days=365)
_TOKENS = ("operator", "scrape")  # each is the role of a principal of that name


def make(folder: Path, *, renew_certificates: bool = False) -> None:
    """Make what is missing in a folder, for us alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in _PASSWORDS:
        _once(folder / name, secrets.token_hex(24))
    _once(folder / "database_url", database_url("heraut", (folder / "postgres_password").read_text(encoding="utf-8")))
    # One password in two files: each is for the user of another container.
    exporter = (folder / "postgres_password_exporter").read_text(encoding="utf-8")
    _once(folder / "postgres_login_exporter", exporter)
    for room in ROOMS:  # `heraut migrate` gives each the login of its file
        _once(folder / f"database_url_{room}", database_url(f"heraut_{room}", secrets.token_hex(24)))
    for name in _TOKENS:
        _add_principal(folder, name)
    if not (folder / "keys").exists():
        create_keys(folder / "keys")
    if renew_certificates or not (folder / AUTHORITY).exists():
        _certify(folder)
    kafka.make(folder)


def database_url(user: str, password: str) -> str:
    """Return where somebody logs in: over TLS, to whom our authority vouches for and nobody else."""
    return f"postgresql://{user}:{password}@postgres/heraut?sslmode=verify-full&sslrootcert=/run/secrets/{AUTHORITY}"


def _certify(folder: Path) -> None:
    authority = Authority("Heraut", _LIFETIME)
    for name, host in CERTIFICATES.items():
        _write(folder / name, authority.signed(host, [host, "localhost", "127.0.0.1"]).decode())
    _write(folder / AUTHORITY, authority.pem.decode())


def _add_principal(folder: Path, name: str) -> None:
    """Let somebody in; the services' file has only the token's hash."""
    if (folder / f"{name}_token").exists():
        return
    token, stored = issue_token(datetime.now(UTC), _TOKENS_LIVE)
    account = with_token(Account(Principal(name, frozenset({Role(name)}))), stored)
    with changing(folder / "principals.json") as change:
        change.accounts = change.accounts.with_account(account)
    _write(folder / f"{name}_token", token)


def _once(path: Path, text: str) -> None:
    if not path.exists():
        _write(path, text)


def _write(path: Path, text: str) -> None:
    """Write into the file that is there: it may be mounted, and a mount does not follow a name."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def give(folder: Path, owner: os.stat_result, users: Mapping[str, int | None]) -> None:
    """Give each file to the user that reads it, None = everybody; the others to the owner. Needs root."""
    for path in (folder, *sorted(folder.rglob("*"))):
        name = str(path.relative_to(folder))
        user = users.get(name, owner.st_uid)
        os.chown(path, owner.st_uid if user is None else user, owner.st_gid)
        path.chmod(0o700 if path.is_dir() else 0o644 if user is None else 0o600)


def owners(services: Mapping[str, Mapping[str, Any]], files: Mapping[str, str]) -> dict[str, int | None]:
    """Return, by file, as which user those services run that it is mounted in; None where they differ."""
    found: dict[str, set[int]] = {}
    for service in services.values():
        for secret in mounted(service):
            found.setdefault(files[secret], set()).add(int(str(service["user"]).split(":")[0]))
    return {name: next(iter(users)) if len(users) == 1 else None for name, users in found.items()}


def mounted(service: Mapping[str, Any]) -> Iterator[str]:
    """Give the names of the secrets that a service has."""
    for secret in service.get("secrets", ()):
        yield secret["source"] if isinstance(secret, dict) else secret


def _stack(checkout: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the services of docker-compose.yml, and the files of its secrets, in their folder."""
    document = yaml.safe_load((checkout / "docker-compose.yml").read_text(encoding="utf-8"))
    files = {name: secret["file"].partition("secrets/")[2] for name, secret in document["secrets"].items()}
    return document["services"], files


def main(arguments: Sequence[str]) -> int:
    """Make all in the folder given, and give it away."""
    parser = argparse.ArgumentParser(prog="secret_files", description="Make the secrets of docker-compose.yml.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--renew-certificates", action="store_true", help="new ones, and a new authority")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        print("only root can give files to the users of the containers: docker compose run --rm secrets")
        return 2
    keep_private()
    make(options.folder, renew_certificates=options.renew_certificates)
    give(options.folder, (CHECKOUT / "docker-compose.yml").stat(), owners(*_stack(CHECKOUT)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
