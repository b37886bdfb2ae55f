"""Tables, pages and viewer scripts of a run."""
