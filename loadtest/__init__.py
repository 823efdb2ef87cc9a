"""Load tests: Locust users that know the gRPC contract, and nothing else of the server."""
