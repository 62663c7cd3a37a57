"""New pages -> text: everything that training has made, applied to pictures that nobody has labelled."""
