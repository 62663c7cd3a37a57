"""Pages that were read are corrected in the browser; a small server on this machine writes the corrections."""
