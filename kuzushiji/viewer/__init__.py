"""Pages to look at and to edit: a page with its boxes, what each was read as, and the text beside it, in a browser."""

from kuzushiji.viewer.render import render_viewer, viewer_section
from kuzushiji.viewer.viewer_page import Candidate, ViewerBox, ViewerPage, ViewerPicture

__all__ = ["Candidate", "ViewerPicture", "ViewerBox", "ViewerPage", "render_viewer", "viewer_section"]
