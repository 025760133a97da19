"""`python hack/demo`: what `make demo` runs. See `--help`."""

import sys

from burnish_demo.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
