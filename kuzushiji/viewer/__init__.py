"""Pages to look at and to edit: a page with its boxes, what each was read as, and the text beside it, in a browser."""

from kuzushiji.viewer.page import Candidate, ViewerBox, ViewerPage, ViewerPicture
from kuzushiji.viewer.render import render_viewer, viewer_section

__all__ = ["Candidate", "ViewerPicture", "ViewerBox", "ViewerPage", "render_viewer", "viewer_section"]
