"""A detector of small things on large pages, assembled from torchvision: boxes, overlap, matching, fusion, model."""
