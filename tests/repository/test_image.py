"""What the image is made of, as far as it can be told without building one."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import yaml

from services.kit.vault.key_files import load_keys

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
    assert ["migrate"] == [name for name, service in OURS.items() if "build" in service]
    assert {"never"} == {service["pull_policy"] for service in OURS.values()}


def test_the_image_has_every_folder_that_a_volume_is_put_on() -> None:
    """A new volume takes its owner from that folder; where there is none, root owns it and nothing can be written."""
    made = re.search(r"install -d -o heraut -g heraut (.*)", (ROOT / "deploy" / "Dockerfile").read_text())
    mounted = {volume.split(":")[1] for service in OURS.values() for volume in service.get("volumes", [])}

    assert made
    assert set() == mounted - set(made[1].split())


def test_the_script_makes_every_secret_that_is_mounted(tmp_path: Path) -> None:
    """Whoever runs it and then starts the stack has all that it asks for, and keeps it when he runs it again."""
    script = tmp_path / "deploy" / "compose" / "secrets.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "compose" / "secrets.sh", script)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    _run("bash", script, cwd=tmp_path)
    made = {path: path.read_bytes() for path in script.with_name("secrets").rglob("*") if path.is_file()}
    _run("bash", script, cwd=tmp_path)

    observability = yaml.safe_load((ROOT / "deploy" / "compose" / "observability.yml").read_text(encoding="utf-8"))
    mounted = {tmp_path / secret["file"] for secret in COMPOSE["secrets"].values()} | {
        script.parent / secret["file"] for secret in observability["secrets"].values()
    }
    # The first is for a person, and by the other kafka's health check logs in, as stands in a file of its own.
    kept = {script.with_name("secrets") / name for name in ("operator_token", "kafka_password_health")}
    assert mounted | kept == set(made)
    assert made == {path: path.read_bytes() for path in made}
    assert load_keys(script.with_name("secrets") / "keys").pepper("match")
    # Compose mounts files as they are, and the container's user is nobody here.
    copied = script.with_name("secrets") / "kafka_server"  # by the image, which writes on in the copy
    assert {0o444} == {path.stat().st_mode & 0o777 for path in mounted - {copied}}
    assert 0o644 == copied.stat().st_mode & 0o777
    assert 0o600 == (script.with_name("secrets") / "operator_token").stat().st_mode & 0o777
