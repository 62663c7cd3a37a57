"""A reader learns a book: models are trained further on a few corrected pages."""
