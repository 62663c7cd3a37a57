"""Applies a trained detector to pages, and writes what later stages read."""

from pathlib import Path
from typing import Any

from kuzushiji.artifacts.detections import Detections, write_detections
from kuzushiji.data.labels import SEG_FP, read_page_labels, write_page_labels
from kuzushiji.data.pages import page_size
from kuzushiji.engine.device import enough_memory
from kuzushiji.engine.machine import machine_facts, set_up
from kuzushiji.engine.precision import place
from kuzushiji.engine.processes import gathered, on_main, own_share
from kuzushiji.files import atomic_write_json
from kuzushiji.imaging.store import PageStore
from kuzushiji.run_folder import CLF_GT, DETECTIONS, METRICS_OOF, TEST_DETECTIONS, TEST_PREDICTIONS
from kuzushiji.scoring import score_boxes
from kuzushiji.segment.box_codes import label_with_truth
from kuzushiji.segment.config import SegmentConfig
from kuzushiji.segment.detector import StoredModel, read_model
from kuzushiji.segment.fold_pages import FoldPages, Images
from kuzushiji.segment.predict import page_loader, predict_pages


def predict_held_out(config: SegmentConfig, pages: FoldPages, weights: Path) -> dict[str, Any]:
    """Write the boxes of the held-out pages with the codes of the truth; return their score.

    Raises:
        InputError: the checkpoint does not fit the flags or has seen the pages; a page cannot be read.
    """
    stored = read_model(weights)
    stored.check_unseen(pages.held_out.image_ids)
    config = stored.adopt_for_inference(config)
    detections, facts = _detect(config, stored, pages.held_out_images, "held-out pages")
    sizes = {image_id: page_size(path) for image_id, path in pages.held_out_images.items()}

    def write() -> dict[str, Any]:
        write_page_labels(config.output(CLF_GT), label_with_truth(detections, pages.held_out, sizes, config.match_iou))
        write_detections(config.output(DETECTIONS), detections)
        labels = read_page_labels(config.output(CLF_GT))  # in whole pixels: the score is that of the file
        metrics = {
            "epoch": stored.epoch,
            **score_boxes(pages.held_out, labels).as_dict(),
            "seg_fp": int((labels.boxes["code"] == SEG_FP).sum()),
            **facts,
        }
        atomic_write_json(config.output(METRICS_OOF), metrics)
        return metrics

    return on_main(write)


def predict_test(config: SegmentConfig, images: Images, weights: Path) -> dict[str, Any]:
    """Write the boxes of the test pages, all of them as `seg_fp`: what they are is not known yet; return facts.

    Raises:
        InputError: the checkpoint does not fit the flags; a page cannot be read.
    """
    stored = read_model(weights)
    config = stored.adopt_for_inference(config)
    detections, facts = _detect(config, stored, images, "test pages")
    on_main(lambda: write_page_labels(config.output(TEST_PREDICTIONS), detections.to_labels()))
    on_main(lambda: write_detections(config.output(TEST_DETECTIONS), detections))
    return facts


def _detect(
    config: SegmentConfig, stored: StoredModel, images: Images, title: str
) -> tuple[Detections, dict[str, Any]]:
    """Return the boxes of all pages, found with an adopted config, and how fast they were found.

    Several processes divide the pages.
    """
    precision = set_up(config)
    model = place(stored.build(config), precision.device)
    image_ids = tuple(images)
    own = tuple(image_ids[number] for number in own_share(len(image_ids)))
    paths = [images[image_id] for image_id in own]
    loader = page_loader(paths, PageStore(), config.inference_long_sides, config.workers, precision.device)
    with enough_memory(title, "lower --test-long-side or --proposals-test, or use --opt-level O1"):
        found, seconds = predict_pages(
            model, loader, own, precision, title=title, score_threshold=config.score_threshold
        )  # fmt: skip
    by_page = {image_id: boxes for part in gathered(found.by_page()) for image_id, boxes in part.items()}
    detections = Detections.from_pages({image_id: by_page[image_id] for image_id in image_ids})
    facts = {
        "pages": len(image_ids),
        "boxes": len(detections.scores),
        "seconds": round(seconds, 2),
        "pages_per_second": round(len(image_ids) / max(seconds, 1e-9), 2),
        **machine_facts(precision),
    }
    return detections, facts
