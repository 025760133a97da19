"""`python hack/bench correctness|rewrite|optimize|serving|soak|scale`: Burnish beside its peers."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "tests"), *(str(ROOT / "hack" / name) for name in ("demo", "cluster"))]

from burnish_bench.main import main  # noqa: E402 (the folders above hold what it imports)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
