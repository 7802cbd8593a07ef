"""The options of curl that the documented story needs, for machines without curl."""

import argparse
import sys

import httpx

parser = argparse.ArgumentParser("curl")
parser.add_argument("url")
parser.add_argument("-s", "--silent", action="store_true")  # there is no progress to show
parser.add_argument("-S", "--show-error", action="store_true")  # errors are always shown
parser.add_argument("-H", "--header", action="append", default=[])
parser.add_argument("-d", "--data", required=True)


def main() -> None:
    asked = parser.parse_args()
    headers = dict(header.split(": ", 1) for header in asked.header)
    answer = httpx.post(asked.url, content=asked.data, headers=headers, trust_env=False)
    sys.stdout.write(answer.text)


if __name__ == "__main__":
    main()
