"""A Slurm of one node on this machine for as long as a test lasts: own folder, ports and key, nothing in /etc."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol", "sinfo", "squeue", "setpriv")
LONG = 600.0
"""Seconds to wait for anything: far more than it takes, since the machine may be busy."""
MEMORY_MB = 20_000
"""What the node says it has: Slurm shares it out, and nothing holds a job to its part."""
CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=20
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2
MpiDefault=none
MailProg=/bin/true
SlurmdParameters=config_overrides
ReturnToService=0
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Programs that a Slurm of one node needs and this machine lacks."""
    return [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]


@dataclass(frozen=True)
class OneNode:
    """A Slurm that is up."""

    name: str
    folder: Path
    environment: dict[str, str]

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands says."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=LONG, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def jobs(self, *states: str) -> dict[str, str]:
        """Numbers of the jobs in some states (without any: of those that wait or run), with their rules."""
        asked = ["--states", ",".join(states)] if states else []
        lines = self.ask("squeue", "--noheader", "--format", "%i %k", *asked).splitlines()
        return {number: comment.removeprefix("rule_") for number, comment in map(str.split, lines)}


def until(found: Callable[[], object], *, what: str) -> None:
    """Wait for something, and say what if it does not come."""
    deadline = time.monotonic() + LONG
    while not found():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {LONG:g} s")
        time.sleep(0.1)


def free_port() -> int:
    """A port that nobody listens to at this moment."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


@contextmanager
def daemon(command: list[str], *, environment: dict[str, str], told: Path) -> Iterator[None]:
    """A program in the foreground, ended with the block however that ends, and with this process if it is killed."""
    with open(told, "w") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", str(shutil.which(command[0], path=PATH)), *command[1:]],
            env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def configure(folder: Path, host: str) -> dict[str, str]:
    """Write key and configuration; the environment in which Slurm's commands find them."""
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir()
    cpus = len(os.sched_getaffinity(0))
    text = CONFIGURATION.format(
        host=host, folder=folder, user=getuser(), cpus=cpus, memory=MEMORY_MB, control=free_port(), node=free_port()
    )
    (folder / "slurm.conf").write_text(text)
    # Snakemake's plugin takes SLURM_CONF out of the environment before it calls srun
    srun = folder / "bin" / "srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun", path=PATH)} "$@"\n')
    srun.chmod(0o755)
    paths = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder}/bin{os.pathsep}{PATH}"}
    return {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")} | paths


def is_up(node: OneNode) -> bool:
    """The node takes jobs."""
    try:
        return node.ask("sinfo", "--noheader", "--format", "%T") == "idle"
    except RuntimeError:  # the controller does not answer yet
        return False


def logs(folder: Path) -> str:
    """The last words of each daemon."""
    return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in sorted(folder.glob("*.out")))


def end_jobs(node: OneNode) -> None:
    """Cancel what still waits or runs, so that nothing outlives the daemons; what does not listen is killed."""
    node.ask("scancel", "--user", getuser())
    until(lambda: not node.jobs(), what="the end of the last job")


@contextmanager
def one_node() -> Iterator[OneNode]:
    """Start a Slurm, and end it with every job that it holds, whatever happens in between."""
    folder = Path(tempfile.mkdtemp(prefix="one-node-"))  # short: a socket's path has 108 characters at most
    folder.chmod(0o755)
    host = socket.gethostname().split(".")[0]
    environment = configure(folder, host)
    node = OneNode(host, folder, environment)
    munge = ["munged", "--foreground", "--force", "--socket", f"{folder}/munge.socket"]
    munge += [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "seed", "log")]
    try:
        with ExitStack() as stack:
            stack.enter_context(daemon(munge, environment=environment, told=folder / "munged.out"))
            until((folder / "munge.socket").exists, what="munged's socket")
            for program in ("slurmctld", "slurmd"):
                told = folder / f"{program}.out"
                stack.enter_context(daemon([program, "-D"], environment=environment, told=told))
            try:
                until(lambda: is_up(node), what="an idle node")
            except TimeoutError as error:
                raise TimeoutError(f"{error}\n{logs(folder)}") from None
            stack.callback(end_jobs, node)
            yield node
    finally:
        shutil.rmtree(folder, ignore_errors=True)
