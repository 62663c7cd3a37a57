# PYTHON_ARGCOMPLETE_OK
"""`python -m kuzushiji`: the stages in the order in which they run."""

from collections.abc import Sequence

from kuzushiji import cli

STAGES = (
    ("kuzushiji.demo", "write books in the competition's layout: pages, labels, hidden truth of the test pages"),
    ("kuzushiji.convert", "labelled pages of other programs into a data root, and back"),
    ("kuzushiji.data.check", "read a data root whole and report every fault"),
    ("kuzushiji.pretrained", "the published weights that training starts from: fetch them, look into given files"),
    ("kuzushiji.segment", "where the characters are: train a detector per fold, find boxes"),
    ("kuzushiji.segment.merge", "the held-out boxes of all folds in one table"),
    ("kuzushiji.segment.fuse", "the test boxes of all folds' detectors fused"),
    ("kuzushiji.classify", "which characters they are: train a classifier per fold, read the boxes"),
    ("kuzushiji.classify.pseudolabel", "test characters that the models are sure of, as training pages"),
    ("kuzushiji.classify.blend", "one submission out of several models, or their score"),
    ("kuzushiji.classify.level2_features", "what level2 chooses from: a row for each box and candidate class"),
    ("kuzushiji.classify.knn", "for level2, if wanted: nearest neighbours among the training characters"),
    ("kuzushiji.lm", "for level2, if wanted: how probable a candidate is between its neighbours"),
    ("kuzushiji.classify.level2", "boosters choose among the candidates: the final submission"),
    ("kuzushiji.predict", "new pages: their text as text, JSON, PAGE and ALTO XML, pictures, a viewer"),
    ("kuzushiji.export", "the models of a run as one folder, which is all that predict needs"),
    ("kuzushiji.metric", "F1 of a submission against the truth"),
    ("kuzushiji.report", "what all this brought: a table and a page to look at"),
    ("kuzushiji.report.draw", "a page with what was read on it, as a picture"),
    ("kuzushiji.classify.extract_backbone", "the backbone of a trained classifier, for others to start from"),
)


def get_parser() -> cli.ArgumentParser:
    """Return the command line: nothing but `--help`."""
    return cli.ArgumentParser(
        prog="python -m kuzushiji",
        description="Lists the stages in their order, then tools. run-all.sh runs the stages; each has its own --help.",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print one line a stage."""
    get_parser().parse_args(argv)
    width = max(len(module) for module, _ in STAGES)
    for module, purpose in STAGES:
        print(f"python -m {module:{width}}  {purpose}")
    return 0


if __name__ == "__main__":
    cli.run(main)
