import numpy as np

from kuzushiji.report.marked_page import COLORS, Mark, overlay

PAGE = np.full((100, 60, 3), 128, np.uint8)


def test_the_page_with_its_boxes_and_what_they_were_read_as() -> None:
    picture = overlay(PAGE, [Mark("read", 10, 20, 30, 30, "あ", "")], height=100)
    assert picture.shape == (100, 132, 3)
    assert tuple(picture[20, 25]) == COLORS["read"]  # the box's upper edge
    written = (picture[:, 72:] != 255).any(axis=2)
    assert written[20:50, 10:40].any() and not written[60:].any()


def test_without_marks_the_page_stays_and_nothing_is_written() -> None:
    picture = overlay(PAGE, [], height=50)
    assert picture.shape == (50, 72, 3) and (picture[:, :30] == 128).all() and (picture[:, 30:] == 255).all()


def test_what_has_no_strokes_is_left_out() -> None:
    picture = overlay(PAGE, [Mark("wrong", 10, 20, 30, 30, "seg_fp", "")], height=100)
    assert (picture[:, 72:] == 255).all()
