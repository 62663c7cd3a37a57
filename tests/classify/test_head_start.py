"""The head start: the head learns, nothing else changes, and the result depends on the arguments alone."""

import contextlib
import shlex
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kuzushiji.classify import head_start
from kuzushiji.classify.head_start import HeadStart, box_features, shuffled, start_head, train_head
from kuzushiji.classify.inputs import BoxedPage, pages_of
from kuzushiji.classify.main import main
from kuzushiji.classify.network import ModelConfig, RoIClassifier, build_model, roi_features
from kuzushiji.classify.predict import Predictor
from kuzushiji.data.labels import read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.engine.checkpoint import load_checkpoint
from kuzushiji.engine.loop import _Run
from kuzushiji.engine.precision import Precision
from kuzushiji.errors import InputError, KeptError

PREDICTOR = Predictor(Precision(torch.device("cpu")))
RECIPE = HeadStart(epochs=30, lr=1e-2, batch_size=16)


@pytest.fixture(scope="module")
def pages(tiny_root: Path) -> list[BoxedPage]:
    root = DataRoot(tiny_root)
    labels = read_page_labels(root.train_csv).of_pages(["umgy001-001", "hnsd001-002", "100000003_00002_1"])
    return pages_of(labels, root.train_image, Vocabulary.from_train_csv(root.train_csv), "train.csv")


@pytest.fixture
def model(tiny_root: Path) -> RoIClassifier:
    torch.manual_seed(0)
    n_classes = len(Vocabulary.from_train_csv(DataRoot(tiny_root).train_csv))
    return build_model(ModelConfig("mobilenetv4_conv_small", head_size=32, head_dropout=0), n_classes, pretrained=False)


def test_features_of_all_boxes_in_order(model: RoIClassifier, pages: list[BoxedPage]) -> None:
    features, classes = box_features(model, pages, PREDICTOR, page_height=240)
    assert features.shape == (sum(len(page.classes) for page in pages), roi_features(model.backbone))
    assert classes.tolist() == [number for page in pages for number in page.classes]
    assert model.training  # as it was


def test_several_processes_divide_the_pages(
    model: RoIClassifier, pages: list[BoxedPage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together they have what one process has, bit for bit; each page was looked at by one of them."""
    expected, classes = box_features(model, pages, PREDICTOR, page_height=240)
    parts: list[dict[Path, Tensor]] = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(head_start, "gathered", lambda part: parts.append(part) or [{**parts[0], **part}])
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        with contextlib.suppress(KeyError):  # the first of the two has not heard of the other
            found, same = box_features(model, pages, PREDICTOR, page_height=240)
    assert torch.equal(found, expected) and torch.equal(same, classes)
    assert not set(parts[0]) & set(parts[1])


def test_the_head_learns_and_the_backbone_stays(model: RoIClassifier, pages: list[BoxedPage]) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    accuracy = start_head(model, pages, PREDICTOR, 240, RECIPE)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert accuracy > 0.9
    assert changed and all(name.startswith("head.") for name in changed)


def test_the_result_depends_on_the_arguments_alone(model: RoIClassifier, pages: list[BoxedPage]) -> None:
    start = {name: value.clone() for name, value in model.state_dict().items()}
    heads = []
    for seed in (1, 2):  # of the world around
        model.load_state_dict(start)
        torch.manual_seed(seed)
        state = torch.random.get_rng_state()
        start_head(model, pages, PREDICTOR, 240, HeadStart(epochs=1, lr=1e-2))
        assert torch.equal(torch.random.get_rng_state(), state)  # random states are left as they were
        heads.append({name: value.clone() for name, value in model.head.state_dict().items()})
    assert all(torch.equal(heads[0][name], heads[1][name]) for name in heads[0])


def test_every_pass_has_every_box_once_in_a_new_order() -> None:
    features, classes = torch.arange(10.0)[:, None], torch.arange(10)
    batches = list(shuffled(features, classes, HeadStart(epochs=2, lr=1e-3, batch_size=4)))
    assert [len(rows) for _, rows in batches] == [4, 4, 2, 4, 4, 2]
    passes = [torch.cat([rows for _, rows in batches[i : i + 3]]).tolist() for i in (0, 3)]
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(10))
    assert passes[0] != passes[1]
    assert all(torch.equal(rows[0][:, 0].long(), rows[1]) for rows in batches)  # a box keeps its class


def test_a_row_left_alone_comes_twice(model: RoIClassifier) -> None:
    """Batch norm cannot do with one; the accuracy stays a share."""
    features, classes = torch.randn(5, roi_features(model.backbone)), torch.arange(5) % 3
    recipe = HeadStart(epochs=1, lr=1e-3, batch_size=4)
    assert [len(rows) for _, rows in shuffled(features, classes, recipe)] == [4, 2]
    assert 0 <= train_head(model.head, features, classes, PREDICTOR.precision, recipe) <= 1


def test_a_loss_that_is_not_finite_stops_it(model: RoIClassifier) -> None:
    features = torch.full((4, roi_features(model.backbone)), torch.nan)
    with pytest.raises(InputError, match="head start: expected a finite loss, got nan"):
        train_head(model.head, features, torch.zeros(4, dtype=torch.int64), PREDICTOR.precision, RECIPE)


def test_a_page_that_comes_twice_counts_twice(model: RoIClassifier, pages: list[BoxedPage]) -> None:
    features, classes = box_features(model, [*pages, pages[0]], PREDICTOR, page_height=240)
    n = len(pages[0].classes)
    assert torch.equal(features[-n:], features[:n])
    assert classes[-n:].tolist() == list(pages[0].classes)


def run_words(tiny_root: Path, tmp_path: Path) -> list[str]:
    words = [str(tiny_root / "train.csv"), "--data-root", str(tiny_root), "--output-dir", str(tmp_path / "run")]
    words += shlex.split("--n-folds 3 --base mobilenetv4_conv_small --pretrained 0 --head-size 8 --test-height 120")
    words += shlex.split("--crop-width 80 --crop-height 120 --batch-size 2 --repeat-train 1 --epochs 1 --workers 0")
    words += shlex.split(
        "--evaluate-every 0 --n-tta 1 --head-start-epochs 2 --device cpu --train-limit 4 --test-limit 2"
    )
    return words


def test_a_damaged_model_is_made_again_with_force(tiny_root: Path, tmp_path: Path) -> None:
    words = run_words(tiny_root, tmp_path)
    assert main(words) == 0
    best = tmp_path / "run" / "model_best.pth"
    whole = load_checkpoint(best)["model"]
    best.write_bytes(best.read_bytes()[:-1000])
    with pytest.raises(KeptError, match="model_best.pth: is kept, only --force replaces it"):
        main(words)
    assert main([*words, "--force"]) == 0
    again = load_checkpoint(best)["model"]
    assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_a_run_that_goes_on_has_no_second_start(
    tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr("kuzushiji.classify.train.start_head", lambda *_: calls.append("start"))
    words = run_words(tiny_root, tmp_path)
    assert main(words) == 0
    assert calls == ["start"]
    (tmp_path / "run" / "record-train.json").unlink()  # killed between the last checkpoint and the record
    assert main(words) == 0
    assert calls == ["start"]


def test_an_average_with_the_start_is_the_same_after_an_interruption(
    tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start is what training starts from, not what the head start has made of it."""
    words = run_words(tiny_root, tmp_path)
    assert main(words) == 0
    start = ["--resume", str(tmp_path / "run" / "model_best.pth"), "--start-share", "0.5", "--epochs", "2"]
    whole, parts = ([*words, *start, "--output-dir", str(tmp_path / name)] for name in ("whole", "parts"))
    assert main(whole) == 0
    end_epoch = _Run.end_epoch
    with monkeypatch.context() as patch:
        patch.setattr(_Run, "end_epoch", lambda run: (end_epoch(run), stop()))
        with pytest.raises(RuntimeError, match="killed"):
            main(parts)
    assert main(parts) == 0
    found = [load_checkpoint(tmp_path / name / "model_best.pth")["model"] for name in ("whole", "parts")]
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def stop() -> None:
    raise RuntimeError("killed")
