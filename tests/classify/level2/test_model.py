"""A trained second level as a folder."""

import pytest

from kuzushiji.classify.level2.model import load_model
from kuzushiji.errors import InputError
from kuzushiji.files import read_json


def test_files_of_a_model(trained):
    names = {path.name for path in trained.iterdir()}
    trees = {f"fold{k}.{kind}" for k in range(3) for kind in ("lgb.txt", "xgb.json")}
    assert names == {"level2.json", "language.parquet", "oof.parquet", "record-level2.json", *trees}
    model = load_model(trained)
    assert model.columns[:3] == ("group0_log_probability", "group0_lead", "group0_logit")
    assert len(model.vocabulary) == 6
    facts = read_json(trained / "record-level2.json")["facts"]
    assert set(facts["f1"]) == {"blend", "lightgbm", "xgboost", "level 2", "last round", "best round"}
    assert set(facts["f1_by_fold"]["level 2"]) == {"0", "1", "2"}
    assert 0 <= facts["calibration"]["expected_calibration_error"] <= 1


# A file of the model, its new content, and what the message says.
DAMAGED = [
    ("level2.json", "{}", "expected a second level of format 2, got something else"),
    ("level2.json", '{"format": 1}', "got format 1; level2.sh trains it again; predict and export do without it by"),
    ("level2.json", "no json", "expected JSON, got something else"),
    ("level2.json", '{"format": 2, "files": {}}', "expected a second level, got a damaged one"),
    ("level2.json", '{"format": 2, "files": {"../x": ""}}', "expected the file that was saved with level2.json"),
    ("fold1.lgb.txt", "tree\n", "expected the file that was saved with level2.json, got another"),
    ("fold1.xgb.json", None, "expected the file that was saved with level2.json, got another"),
    ("language.parquet", "x", "expected the file that was saved with level2.json, got another"),
]


@pytest.mark.parametrize(("name", "content", "message"), DAMAGED)
def test_damaged_models_are_refused(trained, tmp_path, name, content, message):
    for path in trained.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_model(tmp_path)
