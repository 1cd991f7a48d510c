"""Batches of inputs on other processes and machines, through Dask (``tflreplay[cluster]``).

A worker takes one core: it holds an interpreter, and captures and replays in turn. Inputs travel to
it, so that it needs none of the files. A batch that is lost with its worker is done by another.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import dask
from distributed import Client, KilledWorker, LocalCluster, WorkerPlugin, get_worker
from distributed import TimeoutError as NoWorker

from tflreplay import __version__
from tflreplay.ground.errors import CaptureError, InputError
from tflreplay.judgement.dataset import Part
from tflreplay.runtimes import installed
from tflreplay.tools.dataset.given import Given
from tflreplay.tools.dataset.judge import Job, Judge

_WAIT = 30  # seconds for the first worker
_AHEAD = 3  # batches under way for each thread of a worker


class Workers:
    """Those of a cluster, each of which knows the job."""

    def __init__(self, client: Client, job: Job) -> None:
        """
        Raises:
            InputError: there is no worker, or one has other versions of what decides the result.
        """
        try:
            client.wait_for_workers(1, timeout=_WAIT)
        except NoWorker:
            raise InputError(
                f"{client.scheduler.address}: no worker came within {_WAIT} seconds; start one "
                "with `dask worker`, in an environment that has tflreplay"
            ) from None
        self._client = client
        self._name = f"tflreplay-{uuid.uuid4()}"
        self._check(job)
        client.register_plugin(_Judging(job), name=self._name)

    def parts(self, batches: Iterator[Sequence[Given]]) -> Iterator[Part]:
        """What each batch comes to, in order.

        Raises:
            CaptureError: a batch was lost with several workers, one after the other.
        """
        waiting: deque[Any] = deque()
        try:
            while True:
                threads = max(1, sum(self._client.nthreads().values()))
                for batch in islice(batches, max(0, _AHEAD * threads - len(waiting))):
                    waiting.append(self._client.submit(_judged, self._name, batch, pure=False))
                if not waiting:
                    return
                yield waiting.popleft().result()
        except KilledWorker:
            raise CaptureError(
                "a batch of inputs was lost with several workers, one after the other; is there "
                "enough memory?"
            ) from None
        finally:
            self._client.cancel(list(waiting), force=True)

    def _check(self, job: Job) -> None:
        ours = _versions(job.ours.runtime)
        for address, theirs in self._client.run(_versions, job.ours.runtime).items():
            for package, version in ours.items():
                if theirs[package] != version:
                    raise InputError(
                        f"worker {address} has {package} {theirs[package] or 'not at all'}, and "
                        f"here it is {version}; install the same there"
                    )


@contextmanager
def workers(job: Job, count: int | None, address: str | None) -> Iterator[Workers]:
    """``count`` processes of this machine, or the workers of the scheduler at ``address``.

    Raises:
        InputError: there is no scheduler, or as of :class:`Workers`.
    """
    if job.rows:
        raise InputError(
            "--kernel: a user's kernels are not sent to workers; leave out --workers and --cluster"
        )
    quiet = {"distributed.admin.log-format": "%(name)s - %(message)s"}
    with dask.config.set(quiet):
        if address is not None:
            try:
                client = Client(address, timeout=_WAIT)
            except (OSError, ValueError) as error:
                raise InputError(
                    f"--cluster {address}: no scheduler answers ({error}); start one with "
                    "`dask scheduler`, and give its address, such as tcp://10.0.0.1:8786"
                ) from None
            with client:
                yield Workers(client, job)
            return
        with (
            LocalCluster(
                n_workers=count, threads_per_worker=1, dashboard_address=None, silence_logs=50
            ) as cluster,
            Client(cluster) as client,
        ):
            yield Workers(client, job)


def _versions(runtime: str) -> dict[str, str]:
    return {"tflreplay": __version__, runtime: installed(runtime)}


class _Judging(WorkerPlugin):  # type: ignore[misc]
    """A plugin of every worker, also of one that comes later: what does the job there."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def setup(self, worker: Any) -> None:
        self.judge = Judge(self.job, ahead=False)
        self.lock = threading.Lock()  # one interpreter, however many threads the worker has


def _judged(name: str, batch: Sequence[Given]) -> Part:
    judging = get_worker().plugins[name]
    with judging.lock:
        part: Part
        (part,) = judging.judge.parts(iter([batch]))
    return part
