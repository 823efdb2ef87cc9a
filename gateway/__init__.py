"""HTTP in front of a seq2serve server: a process of its own that turns the APIs which programs and browsers already
speak into calls of translation.v1. It knows the client, `seq2serve`, and nothing of the server's inside."""
