"""Several servers of which any may die, hang, be cut off, drain or be replaced while clients call: nothing is lost."""
