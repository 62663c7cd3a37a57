"""`--compile 1`: an epoch of both stages with a backbone that torch traces and differentiates.

Its kernels are those of eager mode: made by a C++ compiler they take minutes.
"""

import functools
from pathlib import Path

import pytest
import torch

from tests.commands import module_of
from tests.test_full_disk import CLASSIFY, SEGMENT


@pytest.mark.parametrize(("stage", "words"), [("segment", SEGMENT), ("classify", f"{{root}}/train.csv {CLASSIFY}")])
def test_an_epoch(stage: str, words: str, tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[str] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        graphs.append(stage)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    weights = []
    for compiled in "01":
        folder = tmp_path / compiled
        command = f"{words} --output-dir {folder} --data-root {{root}} --compile {compiled}".format(root=tiny_root)
        assert module_of(f"kuzushiji.{stage}.main").main(command.split()) == 0
        assert bool(graphs) == (compiled == "1")
        weights.append(torch.load(folder / "model_best.pth", weights_only=True)["model"])
    torch.testing.assert_close(*weights, rtol=1e-3, atol=1e-4)
