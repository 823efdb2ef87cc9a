"""Attacks on a server beside an honest client: what one caller does must not be felt by another."""
