"""Several processes train as one does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from emodelx.training import ranks
from emodelx.training.data import WindowOrder
from emodelx.training.ranks import ALONE, Ranks, join_ranks, own_device
from emodelx.training.train import read_checkpoint

SCRIPT = Path(__file__).with_name("rank_run.py")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def run(words, data, out, batch):
    threads = {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, *words, str(SCRIPT), str(data), str(out), str(batch)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=os.environ | threads)
    assert done.returncode == 0, done.stderr
    return read_checkpoint(out / "checkpoint.pt")


def test_two_processes_are_one_with_twice_the_batch(data_folder, tmp_path):
    alone = run((), data_folder, tmp_path / "alone", 4)
    both = run(TORCHRUN, data_folder, tmp_path / "both", 2)
    assert both["progress"]["step"] == alone["progress"]["step"] == 3
    for kind in ("network", "averaged"):
        for name, tensor in alone[kind].items():
            # Adam turns rounding of tiny gradients into small steps; a real difference is one of the rate, 0.01
            torch.testing.assert_close(both[kind][name], tensor, rtol=1e-3, atol=1e-4, msg=name)
    log = (tmp_path / "both" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in log] == ["train"] * 3 + ["validation"]


def test_processes_share_the_windows_of_a_step():
    together = [list(WindowOrder(2, 1, 20, Ranks(rank, 3))) for rank in range(3)]
    assert together == [[6, 7, 12, 13], [8, 9, 14, 15], [10, 11, 16, 17]]
    assert list(WindowOrder(6, 1, 20)) == list(range(6, 18))


def test_alone_there_is_nothing_to_share(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_ranks(torch.device("cpu")) as found:
        assert found == ALONE
    network, value = torch.nn.Linear(2, 2), torch.tensor(3.0)
    assert ALONE.together(network, torch.device("cpu")) is network
    assert ALONE.mean(value) is value
    assert ALONE.of_first(2.5, torch.device("cpu")) == 2.5
    ALONE.wait()


@pytest.mark.parametrize(
    ("name", "gpus", "device"), [("auto", True, "cuda:3"), ("cuda:1", True, "cuda:1"), ("auto", False, "auto")]
)
def test_every_process_has_its_own_gpu(monkeypatch, name, gpus, device):
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(ranks.torch.cuda, "is_available", lambda: gpus)
    assert own_device(name) == device
