"""The page: a view of the models for people, in a browser, and the few endpoints that it asks."""
