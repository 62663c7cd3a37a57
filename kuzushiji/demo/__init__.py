"""Books that the machine writes itself: strokes, brush, page, data root."""
