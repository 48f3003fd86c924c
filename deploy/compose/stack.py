"""Starts what docker-compose.yml says without an engine, and sends a cohort through it.

    python -m deploy.compose.stack          about a minute; part of deploy-check

Commands, environments and secrets are those of the file; each process sees the files that are mounted for it and no
others. Only names of hosts, ports and folders are this machine's. Kafka and PostgreSQL are real, by the settings that
the file gives them; mails go to the stand-in, as the catcher is somebody else's image.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deploy.compose import kafka
from deploy.compose.secret_files import AUTHORITY, make
from deploy.image_steps import DOCKERFILE, chain, stages
from deploy.kafka import broker, enforcing
from deploy.postgres import server as postgres
from services.core.rooms import STAGES

__all__ = ["Operator", "Place", "Process", "main", "run"]

CHECKOUT = Path(__file__).resolve().parents[2]
_AFTERWARDS = "migrate-post"  # a job that an installation may have, once all are ready
_WITH_DATA = {*STAGES, "migrate", "topics", _AFTERWARDS}
_THAT_NAME_PLACES = ("database_url", "kafka_operator", "smtp_url")
_READY_SECONDS = 180.0  # seven processes on a busy machine
_TOLD_SECONDS = 120.0
_STOP_SECONDS = 30.0  # as the file gives them


@dataclass
class Place:
    """Where everything is on this machine that the file has elsewhere."""

    folder: Path
    services: Mapping[str, Any]
    files: Mapping[str, Path]  # of secrets, by name
    hosts: dict[str, str] = field(default_factory=dict)  # `host:port` as in the file -> as it is here

    def here(self, name: str, text: str) -> str:
        """Return what a service is told, with the places of this machine."""
        # The image starts from its defaults where nobody sets a variable.
        text = re.sub(r"\$\{\w+:?-(.*?)\}", r"\1", text)
        for there, here in self.hosts.items():
            text = text.replace(there, here)
        for mounted in ("/run/secrets", "/run/keys", "/var/lib/heraut"):
            text = text.replace(mounted, f"{self.folder}/{name}{mounted}")
        return text

    def mount(self, name: str) -> None:
        """Lay a service's secrets where it finds them, and nobody else's."""
        for secret in self.services[name].get("secrets", ()):
            source, target = (secret["source"], secret["target"]) if isinstance(secret, dict) else (secret, secret)
            path = self.folder / name / (target if target.startswith("/") else f"/run/secrets/{target}").lstrip("/")
            text = self.files[source].read_text(encoding="utf-8")
            # What stands in a secret is told as well: a login names its server, and whom it believes.
            self.lay(path, self.here(name, text) if source.startswith(_THAT_NAME_PLACES) else text)
        for volume in self.services[name].get("volumes", ()):
            (self.folder / name / volume.split(":")[1].lstrip("/")).mkdir(parents=True, exist_ok=True)

    def lay(self, path: Path, text: str) -> None:
        """Put a secret where a service finds it, as an engine does: the file of the service's own user."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")

    def environ(self, name: str, **more: str) -> dict[str, str]:
        """Return a service's environment: the file's, the image's, and nothing of ours."""
        own = self.services[name].get("environment") or {}
        bare = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        data = {"HERAUT_DATA_DIR": f"{self.folder}/{name}/var/lib/heraut"} if name in _WITH_DATA else {}
        return bare | data | {key: self.here(name, str(value)) for key, value in own.items()} | more

    def command(self, name: str) -> list[str]:
        """Return the image's entry point with a service's command."""
        return [sys.executable, "-m", *(self.here(name, word) for word in self.services[name]["command"])]


@dataclass
class Process:
    """A service that runs."""

    name: str
    process: "subprocess.Popen[bytes]"
    environ: dict[str, str]
    log: Path

    def is_ready(self) -> bool:
        """Ask as the image's health check does."""
        health = [sys.executable, *_health_check()[1:]]
        return subprocess.run(health, env=self.environ, cwd=CHECKOUT, capture_output=True, check=False).returncode == 0


def _health_check() -> list[str]:
    last = chain(stages(DOCKERFILE.read_text(encoding="utf-8")), "heraut")[-1]
    words: list[str] = json.loads(
        next(one.rest.partition("CMD ")[2] for one in last.instructions if one.word == "HEALTHCHECK")
    )
    return words


@contextmanager
def _servers(place: Place) -> Iterator[None]:
    """Run PostgreSQL and Kafka by the file's settings."""
    options = [
        word.replace("/run/secrets", "{folder}").replace("/etc/heraut", "{folder}")
        for word in place.services["postgres"]["command"][1:]
    ]
    files = {
        "certificate_postgres": place.files["certificate_postgres"].read_bytes(),
        "pg_hba.conf": (CHECKOUT / "deploy" / "compose" / "pg_hba.conf").read_bytes(),
    }
    secrets = place.files[AUTHORITY].parent
    password = place.files["postgres_password"].read_text(encoding="utf-8")
    certificates = enforcing.Certificates(place.files["certificate_kafka"], place.files[AUTHORITY])
    with postgres.running(files, options, password) as database:
        place.hosts["@postgres/"] = f"@127.0.0.1:{database.port}/"
        bootstrap = enforcing.start(
            kafka.users(secrets), place.folder / "kafka", outlives_us=False, certificates=certificates
        )
        place.hosts[f"{kafka.HOST}:{kafka.PORT}"] = bootstrap
        try:
            yield
        finally:
            broker.stop(place.folder / "kafka")


@contextmanager
def _running(place: Place, name: str, **more: str) -> Iterator[Process]:
    place.mount(name)
    environ, log = place.environ(name, **more), place.folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(place.command(name), env=environ, cwd=CHECKOUT, stdout=output, stderr=output)
    try:
        yield Process(name, process, environ, log)
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(_STOP_SECONDS)
        if status != 0:
            raise SystemExit(f"{name} ended with {status}:\n{log.read_text(errors='replace')[-2000:]}")


def _do(place: Place, name: str) -> None:
    """Do a job to its end."""
    place.mount(name)
    done = subprocess.run(
        place.command(name), env=place.environ(name), cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name}: {done.stdout}{done.stderr}")
    print(f"{name}: {len(done.stdout.splitlines())} lines, done")


def _let_exporters_in(place: Place) -> None:
    """Do the jobs of other images by the same programs, where they are: Kafka's jars, and psql."""
    place.mount("exporter-rights")
    words = [place.here("exporter-rights", word) for word in place.services["exporter-rights"]["command"]]
    _said([*_tool_of_kafka("AclCommand"), *words[1:]], {})
    settings = place.files["kafka_operator"].with_name("kafka_exporter_client")
    password = place.files["kafka_password_exporter"].read_text(encoding="utf-8")
    settings.write_text(kafka.client(kafka.EXPORTER, password, place.files[AUTHORITY]), encoding="utf-8")
    server = place.hosts[f"{kafka.HOST}:{kafka.PORT}"]
    seen = _said(
        [*_tool_of_kafka("TopicCommand"), "--list",
         "--bootstrap-server", server, "--command-config", str(settings)], {},
    )  # fmt: skip
    print(f"kafka's exporter sees {len(seen.split())} topics")
    if shutil.which("psql") is None:
        print("exporter-login is left out: there is no psql")
        return
    place.mount("exporter-login")
    port = place.hosts["@postgres/"].partition(":")[2].strip("/")
    environ = place.environ("exporter-login", PGHOST="127.0.0.1", PGPORT=port)
    sql = place.folder / "exporter.sql"
    text = (CHECKOUT / "deploy" / "compose" / "exporter.sql").read_text(encoding="utf-8")
    sql.write_text(place.here("exporter-login", text), encoding="utf-8")
    words = place.services["exporter-login"]["command"]
    script = place.here("exporter-login", words[2]).replace("$$", "$").replace("/etc/heraut/exporter.sql", str(sql))
    _said([*words[:2], script], environ)
    secret = place.files["postgres_password_exporter"].read_text(encoding="utf-8")
    own = environ | {"PGUSER": "heraut_exporter", "PGPASSWORD": secret}
    rows = _said(["psql", "-Atc", "select count(*) from pg_stat_activity where state is not null"], own)
    refused = subprocess.run(["psql", "-c", "select * from intake.cohorts"], env=own, capture_output=True, check=False)
    print(f"postgres' exporter sees {rows.strip()} sessions, and tables of ours: {refused.returncode == 0}")
    if refused.returncode == 0:
        raise SystemExit("the exporter of PostgreSQL may read what it should not")


def _tool_of_kafka(name: str) -> list[str]:
    """Return how a tool of Kafka is run, as its own scripts do; their jar is fetched beside the broker's."""
    folder = broker.CACHE / "tools"
    if not any(folder.glob("*.jar")):
        artifact = f"org.apache.kafka:kafka-tools:{_kafka_version()}"
        _said(
            [broker.maven(), "-q", "-B", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"], {}
        )
    jars = f"{broker._libs()}/*:{folder}/*"  # noqa: SLF001 - what the broker itself runs by
    return [broker._java(), "-cp", jars, f"org.apache.kafka.tools.{name}"]  # noqa: SLF001 - as above


def _kafka_version() -> str:
    image = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["kafka"]["image"]
    return str(image).partition(":")[2]


def _said(command: Sequence[str], environ: Mapping[str, str]) -> str:
    bare = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(command, env=bare | dict(environ), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[-1]}: {done.stdout}{done.stderr}")
    return done.stdout


def _wait(processes: Sequence[Process]) -> None:
    """Wait until all are ready. Raises SystemExit with the last words of who ended or is late."""
    deadline = time.monotonic() + _READY_SECONDS
    waiting = list(processes)
    while waiting:
        for one in list(waiting):
            if one.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{one.name} is not ready:\n{one.log.read_text(errors='replace')[-2000:]}")
            if one.is_ready():
                waiting.remove(one)
        time.sleep(0.2)


def _tell_faults(processes: Sequence[Process]) -> None:
    """Print what the services say went wrong."""
    for one in processes:
        lines = one.log.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in [line for line in lines if '"level": "error"' in line or '"level":"error"' in line][-3:]:
            print(f"{one.name}: {line[:3000]}")


class Operator:
    """Somebody at a terminal of this machine, as docker-compose.yml says how."""

    def __init__(self, place: Place, ports: Mapping[str, int]) -> None:
        self._folder = place.folder / "operator"
        self._folder.mkdir(mode=0o700)
        addresses = {name: f"https://127.0.0.1:{port}" for name, port in ports.items()}
        (self._folder / "services.json").write_text(json.dumps(addresses), encoding="utf-8")
        secrets = place.files[AUTHORITY].parent
        self._environ = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ} | {
            "HERAUT_TLS_CERT": str(place.files[AUTHORITY]),
            "HERAUT_TOKEN_FILE": str(secrets / "operator_token"),
        }

    def says(self, *words: str) -> Any:
        """Run a command, and return its answer. Raises SystemExit where it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *words, "--data", str(self._folder), "--json"],
            env=self._environ, cwd=CHECKOUT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"heraut {' '.join(words)}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)


def _send_a_cohort(operator: Operator) -> dict[str, Any]:
    """Do what somebody does on the day, with the examples; return the ledger once nobody is on the way any more."""
    examples, which = CHECKOUT / "deploy" / "examples", ("--incident", "lab", "--cohort", "wave-1")
    operator.says("incident", "put", str(examples / "lab.json"))
    operator.says("cohort", "submit", str(examples / "people.csv"), *which, "--source", "Lab")
    operator.says("cohort", "release", *which, "--all")
    deadline = time.monotonic() + _TOLD_SECONDS
    while True:
        ledger: dict[str, Any] = operator.says("ledger", "--incident", "lab")
        totals = ledger["totals"]
        if totals["notified"] and not totals["inFlight"] and not totals["held"]:
            return ledger
        if time.monotonic() > deadline:
            raise SystemExit(f"not everybody is told: {totals}")
        time.sleep(0.5)


def _made(folder: Path, ours: Mapping[str, Any], kind: type[Place]) -> Place:
    """Make the secrets, and return where everything is."""
    document = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
    make(folder / "secrets")
    files = {
        name: folder / "secrets" / secret["file"].partition("secrets/")[2]
        for name, secret in document["secrets"].items()
    }
    # What the file says to everybody, and an installation of one's own lays into a secret.
    files["smtp_url"] = folder / "secrets" / "smtp_url"
    files["smtp_url"].write_text("smtp://mail:1025", encoding="utf-8")
    place = kind(folder, {**document["services"], **ours}, files)
    mail, portal = postgres.free_port(), postgres.free_port()
    place.hosts |= {
        "smtp://mail:1025": f"smtps://127.0.0.1:{mail}", "standins:8025": f"127.0.0.1:{portal}",
        "--smtp-port=2525": f"--smtp-port={mail}", "--portal-port=8025": f"--portal-port={portal}",
        "--records=/tmp": f"--records={folder}/records",
    }  # fmt: skip
    return place


def run(
    folder: Path,
    ours: Mapping[str, Any] | None = None,
    kind: type[Place] = Place,
    when_ready: Callable[[Mapping[str, int]], None] = lambda _: None,
    when_told: Callable[["Operator"], None] = lambda _: None,
) -> None:
    """Start everything in a folder, send a cohort, and stop everything. Raises SystemExit where something fails.

    `ours` are services in place of the file's, `kind` says how their files lie. `when_ready` is given the ports, and
    `when_told` who operates it, once everybody is told.
    """
    place = _made(folder, ours or {}, kind)
    ports = {stage: postgres.free_port() for stage in STAGES}
    with _servers(place), ExitStack() as running:
        _do(place, "migrate")
        _do(place, "topics")
        _let_exporters_in(place)
        running.enter_context(_running(place, "standins"))
        started = [
            running.enter_context(_running(place, stage, HERAUT_HTTP_PORT=str(port))) for stage, port in ports.items()
        ]
        _wait(started)
        print(f"ready: {', '.join(ports)}")
        if _AFTERWARDS in place.services:
            _do(place, _AFTERWARDS)
        when_ready(ports)
        try:
            ledger = _send_a_cohort(operator := Operator(place, ports))
            when_told(operator)
        except SystemExit:
            _tell_faults(started)
            raise
    handed = {path.stem: len(path.read_bytes().splitlines()) for path in sorted((folder / "records").iterdir())}
    printed = len(list((folder / "dispatch-letter/var/lib/heraut/print").rglob("*.done")))
    print(f"told: {ledger['totals']}; handed over: {handed}, print files closed: {printed}")
    if not ledger["balanced"]:
        raise SystemExit("the ledger does not balance")


def main() -> int:
    """Run in a fresh folder, which is removed."""
    with tempfile.TemporaryDirectory(prefix="heraut-stack-") as folder:
        run(Path(folder))
    print("the stack works as it stands in docker-compose.yml")
    return 0


if __name__ == "__main__":
    sys.exit(main())
