"""Values of a JSON file: taken where they are what was expected, else refused by name."""

import json
from pathlib import Path

import pytest

from kuzushiji.classify.level2.fields import Field
from kuzushiji.errors import InputError

FILE = Path("m.json")

# A value, how it is taken, and what comes of it.
TAKEN = [
    ("a", lambda field: field.text(), "a"),
    ("a", lambda field: field.text(("a", "b")), "a"),
    (["a", ""], lambda field: field.texts(), ("a", "")),
    ([], lambda field: field.texts(), ()),
    (0, lambda field: field.whole(0), 0),
    (7, lambda field: field.whole(1, 7), 7),
    (-1.5, lambda field: field.number(), -1.5),
    (2, lambda field: field.number(), 2.0),
    ({"a": [3]}, lambda field: field["a"].items()[0].whole(0), 3),
    ({"a": None}, lambda field: field["a"].value, None),
]


@pytest.mark.parametrize(("value", "take", "expected"), TAKEN)
def test_taken(value, take, expected):
    assert take(Field(FILE, value)) == expected


# A value, how it is taken, and what the message says after the name of the file.
REFUSED = [
    (1, lambda field: field.text(), "expected text, got 1"),
    ("c", lambda field: field.text(("a", "b")), 'expected a or b, got "c"'),
    ({"k": ["a", 1]}, lambda field: field["k"].texts(), "expected text in k[1], got 1"),
    ("ab", lambda field: field.texts(), 'expected a list, got "ab"'),
    ([], lambda field: field.items(1), "expected a list of at least 1, got []"),
    ([], lambda field: field.members(), "expected an object, got []"),
    (True, lambda field: field.whole(0), "expected a whole number from 0, got true"),
    (1.0, lambda field: field.whole(0), "expected a whole number from 0, got 1.0"),
    (-1, lambda field: field.whole(0), "expected a whole number from 0, got -1"),
    (8, lambda field: field.whole(0, 7), "expected a whole number from 0 to 7, got 8"),
    (False, lambda field: field.number(), "expected a finite number, got false"),
    (float("nan"), lambda field: field.number(), "expected a finite number, got NaN"),
    (float("-inf"), lambda field: field.number(), "expected a finite number, got -Infinity"),
    (10**400, lambda field: field.number(), f"expected a finite number, got 1{'0' * 59}…"),
    (None, lambda field: field.number(), "expected a finite number, got null"),
    ({"a": {}}, lambda field: field["a"]["b"], "expected the field a.b, got none"),
    ({"a": [{"b": 1}]}, lambda field: field["a"].items()[0]["b"].text(), "expected text in a[0].b, got 1"),
    ("あ", lambda field: field.whole(0), 'expected a whole number from 0, got "あ"'),
]


@pytest.mark.parametrize(("value", "take", "message"), REFUSED)
def test_refused(value, take, message):
    with pytest.raises(InputError) as refused:
        take(Field(FILE, json.loads(json.dumps(value))))
    assert str(refused.value) == f"{FILE}: {message}"
