"""What a running server makes of whole texts: test sentences are joined, marked up and disguised as people's texts are,
and their translations are measured beside those of the plain sentences. And of what people type first.

Knows the corpora, the metrics and the client; of the server only its address.
"""
