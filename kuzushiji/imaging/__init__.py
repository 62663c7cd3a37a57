"""Pages on their way to a network: kept in memory or as strips on disk, cut, scaled, changed in colour."""
