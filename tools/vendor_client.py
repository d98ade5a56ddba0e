"""Copies the browser's libraries out of node_modules into static/vendor, where the pages load them from.

Rule: the pages need no CDN and no build step, so what is served are npm's own minified files, less the line that
names a source map which is not there (browsers would ask for it and log a 404). uPlot is minified only as a script
that sets a variable: one line more makes a module of it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    "socket.io-client/dist/socket.io.esm.min.js": "socket.io.esm.min.js",
    "socket.io-client/dist/socket.io.min.js": "socket.io.min.js",
    "uplot/dist/uPlot.iife.min.js": "uplot.esm.min.js",
    "uplot/dist/uPlot.min.css": "uplot.min.css",
}
EXPORTS = {"uplot.esm.min.js": "export default uPlot;\n"}


def main() -> None:
    modules, vendor = ROOT / "node_modules", ROOT / "static" / "vendor"
    vendor.mkdir(parents=True, exist_ok=True)
    for source, name in FILES.items():
        text = (modules / source).read_text(encoding="utf-8")
        served = re.sub(r"\n?//# sourceMappingURL=\S+\s*$", "\n", text) + EXPORTS.get(name, "")
        (vendor / name).write_text(served, encoding="utf-8")
    for package in sorted({source.split("/")[0] for source in FILES}):
        version = json.loads((modules / package / "package.json").read_text(encoding="utf-8"))["version"]
        print(f"{package} {version} is in static/vendor")


if __name__ == "__main__":
    main()
