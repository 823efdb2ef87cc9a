"""All that a server can do, at once: every kind of client calls it while models, keys, certificates and engines change.

python -m tests.together
python -m tests.together --seconds 30
"""
