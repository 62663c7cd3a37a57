"""Formats round-trip; right and bottom edges are exclusive."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detection.boxes import area_xyxy, as_boxes, clip_xyxy, scale_boxes, xywh_to_xyxy, xyxy_to_xywh

NONE = np.zeros((0, 4))
some_boxes = arrays(np.float64, st.tuples(st.integers(0, 5), st.just(4)), elements=st.integers(-3000, 3000).map(float))


@given(some_boxes)
def test_formats_round_trip(boxes):
    np.testing.assert_array_equal(xyxy_to_xywh(xywh_to_xyxy(boxes)), boxes)
    np.testing.assert_array_equal(xywh_to_xyxy(xyxy_to_xywh(boxes)), boxes)


@pytest.mark.parametrize(
    ("xywh", "xyxy", "area"),
    [
        ([0, 0, 10, 20], [0, 0, 10, 20], 200),
        ([5, 6, 1, 1], [5, 6, 6, 7], 1),  # one pixel has area 1, not 4: no "+ 1"
        ([5, 6, 0, 3], [5, 6, 5, 9], 0),  # no width, no area
        ([-2, -2, 4, 4], [-2, -2, 2, 2], 16),
    ],
)
def test_one_convention(xywh, xyxy, area):
    np.testing.assert_array_equal(xywh_to_xyxy([xywh]), [xyxy])
    np.testing.assert_array_equal(area_xyxy([xyxy]), [area])


def test_turned_over_boxes_have_no_area():
    np.testing.assert_array_equal(area_xyxy([[10, 10, 0, 0], [10, 0, 0, 5]]), [0, 0])


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        ([10, 10, 20, 20], [10, 10, 20, 20]),  # inside
        ([-5, -5, 20, 20], [0, 0, 20, 20]),  # over the corner
        ([90, 40, 120, 60], [90, 40, 100, 50]),
        ([200, 200, 300, 300], [100, 50, 100, 50]),  # outside: no area is left
    ],
)
def test_clip(box, clipped):
    np.testing.assert_array_equal(clip_xyxy([box], width=100, height=50), [clipped])


def test_scale_has_a_factor_for_each_axis_and_fits_both_formats():
    xywh = np.array([[1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_array_equal(scale_boxes(xywh, 2, 10), [[2, 20, 6, 40]])
    np.testing.assert_array_equal(scale_boxes(xywh_to_xyxy(xywh), 2, 10), xywh_to_xyxy(scale_boxes(xywh, 2, 10)))


@pytest.mark.parametrize("convert", [as_boxes, xywh_to_xyxy, xyxy_to_xywh, lambda b: clip_xyxy(b, 9, 9)])
def test_no_boxes(convert):
    assert convert([]).shape == convert(NONE).shape == (0, 4)
    assert area_xyxy([]).shape == (0,)


@pytest.mark.parametrize("wrong", [[1, 2, 3, 4], [[1, 2, 3]], [[[1, 2, 3, 4]]]])
def test_refuses_another_shape(wrong):
    with pytest.raises(ValueError, match=r"expected boxes of shape \(n, 4\)"):
        as_boxes(wrong)


def test_input_is_left_as_it_was():
    boxes = np.array([[-1.0, -1.0, 5.0, 5.0]])
    clip_xyxy(boxes, 3, 3)
    scale_boxes(boxes, 2, 2)
    np.testing.assert_array_equal(boxes, [[-1, -1, 5, 5]])
