"""The published form of report.json is that of the code."""

from __future__ import annotations

import json

from plan.report import Report
from tests.unit.recorded import REPOSITORY

PUBLISHED = REPOSITORY / "docs" / "report.schema.json"
WRITE = "from plan.report import Report; import json; print(json.dumps(Report.model_json_schema(), indent=1))"


def test_the_published_schema_is_the_models_own() -> None:
    """Otherwise: `./run python -c '…' > docs/report.schema.json` with WRITE, and another VERSION where a field changed its meaning or went."""
    assert json.loads(PUBLISHED.read_text()) == Report.model_json_schema()
