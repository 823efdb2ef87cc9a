"""What models are trained on: the corpora, their mix, and what is changed in a sentence pair before it is read."""
