"""What happened, to look at: tables and pictures of a run."""
