import cv2
import numpy as np
import pytest

from kuzushiji.viewer import ViewerBox, ViewerPage, ViewerPicture

PICTURE = ViewerPicture.of_page(np.zeros((20, 30, 3), np.uint8))


def box(x: float, y: float) -> ViewerBox:
    """Return a box of 10 x 10 pixels at this corner."""
    return ViewerBox(x, y, 10, 10, "read", "あ", "U+3042")


@pytest.mark.parametrize(
    ("boxes", "lines"),
    [
        ([], []),
        ([box(0, 0)], [[0]]),
        ([box(0, 0), box(50, 20), box(50, 0)], [[2, 1], [0]]),  # columns from right to left, each downwards
    ],
)
def test_lines_are_in_reading_order(boxes: list[ViewerBox], lines: list[list[int]]) -> None:
    assert ViewerPage("a", PICTURE, boxes).lines == lines


def test_given_columns_are_kept_and_may_leave_boxes_out() -> None:
    columns = (np.array([1]),)
    assert ViewerPage("a", PICTURE, [box(0, 0), box(50, 0)], columns).lines == [[1]]


@pytest.mark.parametrize(
    ("height", "expected"),
    [
        (10, (10, 15, 3)),  # scaled down
        (1000, (20, 30, 3)),  # never up
    ],
)
def test_the_picture_is_scaled_and_knows_the_size_of_the_page(height: int, expected: tuple[int, int, int]) -> None:
    picture = ViewerPicture.of_page(np.zeros((20, 30, 3), np.uint8), height=height)
    assert (picture.width, picture.height) == (30, 20)
    assert cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR).shape == expected
    assert picture.source.startswith("data:image/jpeg;base64,")


def test_a_kind_that_the_viewer_does_not_know() -> None:
    with pytest.raises(ValueError, match="a kind of box of right, wrong, missed, read, doubtful, dropped, got 'good'"):
        ViewerBox(0, 0, 1, 1, "good", "あ", "U+3042")
