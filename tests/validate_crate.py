"""Validate a results folder's RO-Crate with roc-validator, without a network.

    .venv/crate/bin/python tests/validate_crate.py results/bundled

It runs in an environment of its own (envs/crate.lock): the validator and Keras want different
versions of the package rich. What the validator would fetch is the JSON-LD context of RO-Crate
1.1; the package rocrate carries that very file, which is laid into the validator's own cache.
Prints every issue, and ends with status 1 where one is as severe as asked for.
"""

import argparse
import importlib.resources
import io
import json
import sys
import tempfile
from pathlib import Path

from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from rocrate.rocrate import ROCrate
from rocrate_validator import models, services
from rocrate_validator.utils.uri import URI
from urllib3 import HTTPResponse

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILES = ("workflow-run-crate-0.5", "provenance-run-crate-0.5")


class _Carried(HTTPAdapter):
    """Answers with a text in place of the network."""

    def __init__(self, text: bytes):
        super().__init__()
        self.text = text

    def send(self, request, **_):
        answer = HTTPResponse(
            io.BytesIO(self.text),
            headers={"Content-Type": "application/ld+json"},
            status=200,
            preload_content=False,
            request_url=request.url,
        )
        return self.build_response(request, answer)


def fill_cache(path: Path) -> None:
    """Lay RO-Crate's context into a cache of the validator."""
    text = importlib.resources.files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()
    assert json.loads(text)["@id"] == CONTEXT, "rocrate carries another version of the context"
    session = CachedSession(str(path), backend="sqlite", expire_after=-1)
    session.mount("https://", _Carried(text))
    session.get(CONTEXT)
    session.close()


def issues(folder: Path, profile: str, severity: str, cache: Path) -> list[dict[str, str]]:
    """What the validator finds: severity, check, message, entity."""
    settings = services.ValidationSettings(
        rocrate_uri=URI(str(folder)),
        profile_identifier=profile,
        requirement_severity=models.Severity[severity],
        offline=True,
        cache_path=cache,
        skip_availability_check=True,  # of addresses in the web
    )
    return [
        {
            "severity": issue.severity.name,
            "check": issue.check.identifier,
            "message": " ".join(str(issue.message).split()),
            "entity": str(issue.violatingEntity or ""),
        }
        for issue in services.validate(settings).get_issues()
    ]


def main() -> int:
    """Validate; returns the exit status."""
    parser = argparse.ArgumentParser(description="Validate an RO-Crate without a network.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--severity", default="REQUIRED", choices=["REQUIRED", "RECOMMENDED"])
    parser.add_argument("--json", action="store_true", help="print the issues as JSON")
    options = parser.parse_args()
    entities = len(ROCrate(options.folder).get_entities())  # a second reader takes it, too
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder, "cache")
        fill_cache(cache)
        for profile in PROFILES:
            found[profile] = issues(options.folder, profile, options.severity, cache)
    if options.json:
        print(json.dumps({"entities": entities, "issues": found}))
    else:
        for profile, told in found.items():
            print(f"{profile}, {options.severity}: {len(told)} issues in {entities} entities")
            for issue in told:
                print("  {severity} {check} {entity}: {message}".format(**issue))
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
