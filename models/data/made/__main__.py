"""`python -m models.data.made`: print made pairs, and frames with spans, to be read by a person."""

import argparse
from random import Random

from models.data.made import SPAN_FRAMES, made_pairs


def main() -> None:
    parser = argparse.ArgumentParser(description="Print a sample of the made training pairs.")
    parser.add_argument("--seed", type=int, default=1, help="seed of the generator and of the sample (default: 1)")
    parser.add_argument("--made", type=int, default=20_000, help="pairs to make (default: 20000)")
    parser.add_argument("--shown", type=int, default=60, help="pairs, and frames with spans, to print (default: 60)")
    arguments = parser.parse_args()
    random = Random(arguments.seed)
    pairs = list(made_pairs(arguments.seed, arguments.made))
    for shown in (pairs, list(SPAN_FRAMES)):
        for english, french in random.sample(shown, min(arguments.shown, len(shown))):
            print(f"{english}\n    {french}")


if __name__ == "__main__":
    main()
