"""Where the files of a corpus are worked on: processes of this machine, or of a Ray cluster.

An engine takes jobs as it has room for them and gives outcomes as they come. A job whose process is lost is begun
again; it writes the same bytes to the same place.
"""

import importlib.util
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from m4mcli.errors import M4mError
from m4mcli.mapping.work import Job, Outcome, Work
from m4mcli.parallel import available_processors, in_order

AHEAD = 2
"""Jobs handed over for each processor, so that none waits for the next one, and no more of them are held."""


class Engine(Protocol):
    """Runs work on jobs."""

    def run(self, work: Work, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """What became of each job, in any order, each once."""


@dataclass(frozen=True)
class LocalEngine:
    """Processes of this machine, one a processor unless `jobs` says how many. What ends two of them has failed."""

    jobs: int | None = None

    def run(self, work: Work, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """What became of each job, in order. Raises M4mError where not one process can be kept alive."""
        return in_order(work, jobs, self.jobs or available_processors(), work.lost, chunk=1)


def ray_is_here() -> bool:
    """Whether Ray is installed."""
    return importlib.util.find_spec("ray") is not None


@dataclass(frozen=True)
class RayEngine:
    """The processes of a Ray cluster; without an address of one that is started here and ends with the run.

    Ray begins a job again whose process or machine is lost, `retries` times.
    """

    address: str | None = None
    jobs: int | None = None
    retries: int = 2

    def run(self, work: Work, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """What became of each job, as they come. Raises M4mError where the cluster is not reached."""
        import ray

        _connect(ray, self.address, self.jobs)
        try:
            yield from self._run(ray, work, jobs)
        finally:
            ray.shutdown()

    def _run(self, ray: Any, work: Work, jobs: Iterable[Job]) -> Iterator[Outcome]:
        remote = ray.remote(num_cpus=1, max_retries=self.retries, scheduling_strategy="SPREAD")(_worked)
        shared = ray.put(work)
        source = iter(jobs)
        waiting: dict[Any, Job] = {}
        processors = self.jobs or int(ray.cluster_resources().get("CPU", 1))
        while True:
            while len(waiting) < AHEAD * processors and (job := next(source, None)) is not None:
                waiting[remote.remote(shared, job)] = job
            if not waiting:
                return
            ready, _ = ray.wait(list(waiting), num_returns=1)
            for reference in ready:
                job = waiting.pop(reference)
                try:
                    yield ray.get(reference)
                except ray.exceptions.RayError:
                    yield work.lost(job)


def _worked(work: Work, job: Job) -> Outcome:
    return work(job)


def _connect(ray: Any, address: str | None, jobs: int | None) -> None:
    # Otherwise a cluster that is started here reports its use to Ray's makers, and its workers yield to everyone else.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_worker_niceness", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        options |= {"num_cpus": jobs or available_processors(), "include_dashboard": False}
    elif told := {name: value for name, value in os.environ.items() if name.startswith("M4M_")}:
        options["runtime_env"] = {"env_vars": told}
    try:
        ray.init(address or "local", **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise M4mError(f"--address {address}: no Ray cluster: {line}", "ray status tells whether it runs") from error
