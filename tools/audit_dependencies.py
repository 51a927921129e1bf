"""Asks whether weaknesses are known of what is pinned: `make audit`.

A weakness fails it. Where the advisories cannot be asked for (a machine without a way out, a
server that answers nonsense or an octet at a time, no pip-audit) it says so and goes on, unless
SMSGW_REQUIRE_AUDIT is set; pip-audit alone may end well without an answer, or not at all.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

LIMIT = 120.0  # seconds for all of it
LOCK = Path(__file__).parents[1] / "requirements" / "mysql.lock"  # all of run.lock, and more
PIP_AUDIT = [
    Path(sys.executable).parent / "pip-audit",
    "--vulnerability-service",
    "osv",
    "--format",
    "json",
    "--progress-spinner",
    "off",
    "--timeout",
    "5",
    "--disable-pip",
    "--require-hashes",
]


def main(*options: str, limit: float = LIMIT) -> str | None:
    """Returns what is wrong, or None. `options` are pip-audit's."""
    report = _advisories(options, limit)
    weak = [
        f"{each['name']} {each['version']}: {known['id']}, mended in {known['fix_versions'] or '-'}"
        for each in report
        for known in each.get("vulns", ())
    ]
    if weak:
        return "\n".join(weak)
    asked_about = sum("vulns" in each for each in report)
    if report and asked_about == len(report):
        sys.stdout.write(f"audit: no weakness is known of {asked_about} pinned packages\n")
        return None
    not_asked = "audit: the advisories could not be asked for; NOTHING WAS AUDITED"
    if os.environ.get("SMSGW_REQUIRE_AUDIT"):
        return not_asked
    sys.stderr.write(f"{not_asked} (SMSGW_REQUIRE_AUDIT=1 fails here)\n")
    return None


def _advisories(options: tuple[str, ...], limit: float) -> list[dict[str, Any]]:
    """Returns what pip-audit says of each package; nothing where it could not ask."""
    asked = [*PIP_AUDIT, "--requirement", LOCK, *options]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=limit)
        return list(json.loads(done.stdout)["dependencies"])
    except (OSError, subprocess.TimeoutExpired, ValueError, LookupError, TypeError):
        return []


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
