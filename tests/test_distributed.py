"""The workers as processes of torchrun, on loopback: the same bits, whoever is killed.

The two everyday tests start 2 and 3 processes; `make slow` kills workers at random moments.
"""

import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUN = ["--epochs", "2", "--backend", "numpy", "--embedding-size", "8", "--hidden-size", "12",
       "--dropout", "0.3", "--batch-size", "8", "--shards", "4", "--save-every", "3", "--held-out", "0.2"]
LONG = [*RUN, "--epochs", "40"]
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def command(*arguments, workers=None, options=("--standalone",)):
    """train_poems.py with these arguments, under torchrun if there are workers."""
    run = [sys.executable]
    if workers:
        run += ["-m", "torch.distributed.run", *options, "--nproc-per-node", str(workers)]
    return [*run, str(ROOT / "train_poems.py"), *map(str, arguments)]


def train(*arguments, **options):
    """(exit status, stdout, stderr) of a run."""
    done = subprocess.run(command(*arguments, **options), env=ENVIRONMENT, capture_output=True, text=True,
                          timeout=300)
    return done.returncode, done.stdout, done.stderr


def bits(folder):
    """The hashes of what must come out the same."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("model.safetensors", "best.safetensors")}


@pytest.mark.parametrize("workers", [2, 3])
def test_torchrun_gives_the_bits_of_one_process(corpus_file, tmp_path, workers):
    run = ("--corpus", corpus_file, *RUN)
    status, alone, _ = train(*run, "--out", tmp_path / "alone")
    assert status == 0
    status, together, error = train(*run, "--out", tmp_path / "run", workers=workers)
    assert status == 0, error
    assert bits(tmp_path / "run") == bits(tmp_path / "alone")
    assert f"workers: {workers}, shards: 4" in together
    assert together.count("epoch  1  training loss") == 1           # worker 0 alone prints
    said = [[line for line in text.splitlines() if line.startswith(("#", "best"))]
            for text in (alone, together)]
    assert [line.replace(str(tmp_path / "alone"), str(tmp_path / "run")) for line in said[0]] == said[1]


def wait_for_a_state(run, agent):
    while not (run / "state.safetensors").exists():
        assert agent.poll() is None
        time.sleep(0.01)


# Ends

def errors(text):
    return [line for line in text.splitlines() if line.startswith(("error:", "error ("))]


WORKER = """
import os, sys
import train_poems
rank, mode = int(os.environ["RANK"]), os.environ["MODE"]
if mode == "corpus" and rank == 1:
    sys.argv[sys.argv.index("--corpus") + 1] += ".other"
if mode == "nan" and rank == 1:
    from scratch_lstm.training.learner import Learner
    step = Learner.step
    def spoiled(self, tokens, number, rate):
        self.model.flat_parameters[3] = float("nan") if number == 4 else self.model.flat_parameters[3]
        return step(self, tokens, number, rate)
    Learner.step = spoiled
if mode == "disk" and rank == 0:
    import errno
    from scratch_lstm import files
    real, count = os.replace, iter(range(1000))
    def full(*arguments):
        if next(count) > 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)
    os.replace = full
sys.exit(train_poems.main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode, said", [("corpus", "worker 1 has another corpus than worker 0"),
                                        ("nan", "the loss is nan, the gradient norm nan"),
                                        ("disk", "No space left on device")])
def test_what_goes_wrong_with_one_worker_is_one_line(corpus_file, tmp_path, mode, said):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    corpus_file.with_name("poems.txt.other").write_text(
        corpus_file.read_text(encoding="utf-8").replace("山", "水"), encoding="utf-8")
    arguments = command("--corpus", corpus_file, *RUN, "--out", tmp_path / "run", workers=3)
    arguments[arguments.index(str(ROOT / "train_poems.py"))] = str(script)
    done = subprocess.run(arguments, env={**ENVIRONMENT, "MODE": mode}, capture_output=True, text=True,
                          timeout=300)
    print(done.stderr)
    assert done.returncode != 0 and len(errors(done.stderr)) == 1 and said in errors(done.stderr)[0]
    assert "Traceback" not in done.stdout


@pytest.mark.slow
def test_no_torchrun_but_its_environment(corpus_file, tmp_path):
    """A port that is taken: one line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(command("--corpus", corpus_file, *RUN, "--out", tmp_path / "run"), text=True,
                              capture_output=True, timeout=300, env={
                                  **ENVIRONMENT, "TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "2",
                                  "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)})
    assert done.returncode == 2 and "the workers do not meet" in errors(done.stderr)[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_ctrl_c_saves_once(corpus_file, tmp_path):
    """The terminal sends it to torchrun and to all workers; the run goes on to the bits of one without it."""
    run = ("--corpus", corpus_file, *LONG)
    assert train(*run, "--out", tmp_path / "alone")[0] == 0
    agent = subprocess.Popen(command(*run, "--out", tmp_path / "run", workers=2), env=ENVIRONMENT, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    wait_for_a_state(tmp_path / "run", agent)
    os.killpg(agent.pid, signal.SIGINT)
    printed, _ = agent.communicate(timeout=120)
    assert printed.count("stopped and saved at step") == 1
    assert train("--resume", tmp_path / "run", workers=2)[0] == 0
    assert bits(tmp_path / "run") == bits(tmp_path / "alone")


# Kills

def children(pid):
    """The processes that a process has started, and those that these have."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *children(child)]
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_workers_killed_at_random_moments(corpus_file, tmp_path, seed):
    """Four kills in each run: torchrun starts all workers again, and they go on from the last checkpoint."""
    run, rng = ("--corpus", corpus_file, *LONG), random.Random(seed)
    assert train(*run, "--out", tmp_path / "alone")[0] == 0
    options = ("--standalone", "--max-restarts", "20")
    agent = subprocess.Popen(command(*run, "--out", tmp_path / "run", workers=3, options=options),
                             env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kills, state = 0, tmp_path / "run" / "state.safetensors"
    while kills < 4 and agent.poll() is None:
        before = state.stat().st_mtime_ns if state.exists() else 0
        while agent.poll() is None and (state.stat().st_mtime_ns if state.exists() else 0) == before:
            time.sleep(0.01)                         # until the workers have gone on
        time.sleep(rng.random() * 0.3)
        workers = children(agent.pid)
        if workers:
            kill(rng.choice(workers))
            kills += 1
    assert agent.wait(timeout=300) == 0
    print(f"{kills} kills")
    assert kills >= 2 and bits(tmp_path / "run") == bits(tmp_path / "alone")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_machine_is_lost_and_the_rest_goes_on(corpus_file, tmp_path, seed):
    """Two agents of torchrun, 2 workers each; one agent and its workers are killed: 4 workers become 2."""
    run, rng = ("--corpus", corpus_file, *LONG), random.Random(seed)
    assert train(*run, "--out", tmp_path / "alone")[0] == 0
    options = ("--nnodes", "1:2", "--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}",
               "--rdzv-id", "x", "--max-restarts", "20")
    agents, output = [], [open(tmp_path / name, "w+", encoding="utf-8") for name in ("first", "second")]
    for is_host, file in zip(("true", "false"), output):      # the rendezvous is not on the lost machine
        conf = ("--rdzv-conf", f"last_call_timeout=15,is_host={is_host}")
        arguments = command(*run, "--out", tmp_path / "run", workers=2, options=(*options, *conf))
        agents.append(subprocess.Popen(arguments, env=ENVIRONMENT, stdout=file, stderr=subprocess.DEVNULL))
    wait_for_a_state(tmp_path / "run", agents[0])
    time.sleep(rng.random() * 2)
    lost = [agents[1].pid, *children(agents[1].pid)]
    for pid in lost:
        kill(pid)
    assert agents[0].wait(timeout=300) == 0 and agents[1].wait() == -signal.SIGKILL
    printed = (tmp_path / "first").read_text(encoding="utf-8")
    for file in output:
        file.close()
    assert "workers: 4" in printed and "workers: 2" in printed
    assert bits(tmp_path / "run") == bits(tmp_path / "alone")
