"""Copies the official Socket.IO client out of node_modules into static/vendor, where the pages load it from.

Rule: the pages need no CDN and no build step, so what is served is npm's own minified file, less the line that
names a source map which is not there (browsers would ask for it and log a 404).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    "socket.io-client/dist/socket.io.esm.min.js": "socket.io.esm.min.js",
    "socket.io-client/dist/socket.io.min.js": "socket.io.min.js",
}


def main() -> None:
    modules, vendor = ROOT / "node_modules", ROOT / "static" / "vendor"
    vendor.mkdir(parents=True, exist_ok=True)
    for source, name in FILES.items():
        text = (modules / source).read_text(encoding="utf-8")
        (vendor / name).write_text(re.sub(r"\n?//# sourceMappingURL=\S+\s*$", "\n", text), encoding="utf-8")
    version = json.loads((modules / "socket.io-client" / "package.json").read_text(encoding="utf-8"))["version"]
    print(f"Socket.IO client {version} is in static/vendor")


if __name__ == "__main__":
    main()
