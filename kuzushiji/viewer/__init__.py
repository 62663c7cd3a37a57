"""Pages to look at: a page with its boxes, what each was read as, and the text beside it, as one HTML file."""

from kuzushiji.viewer.page import Candidate, Picture, ViewerBox, ViewerPage
from kuzushiji.viewer.render import render_viewer, viewer_section

__all__ = ["Candidate", "Picture", "ViewerBox", "ViewerPage", "render_viewer", "viewer_section"]
