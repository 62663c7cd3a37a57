import numpy as np

from kuzushiji.report.marked_page import Mark, page_svg


def test_the_picture_is_scaled_down_and_never_up() -> None:
    mark = Mark("read", 100, 200, 40, 40, "あ", "")
    image = np.zeros((1000, 500, 3), np.uint8)
    assert 'viewBox="0 0 250 500"' in page_svg(image, [mark], height=500)
    assert 'x="50.0" y="100.0" width="20.0" height="20.0"' in page_svg(image, [mark], height=500)
    assert 'viewBox="0 0 500 1000"' in page_svg(image, [mark], height=5000)


def test_what_comes_from_data_is_escaped() -> None:
    svg = page_svg(np.zeros((9, 9, 3), np.uint8), [Mark("read", 0, 0, 1, 1, "<b>", "</title><script>")], title="<i>&")
    assert "<b>" not in svg and "<script>" not in svg and "&lt;i&gt;&amp;" in svg
