"""One module per step of the method; a stage takes records and its configuration and returns a record."""
