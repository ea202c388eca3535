"""What ``--json`` prints is what the modules' docstrings say it prints."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from symact import comparison, figures
from symact.vjps import comparison as vjps
from symact.vjps import scoring

# Keys that are names of the user's or of columns, not of the schema, are left out by where they are.
RECORDS = {
    comparison: [
        *(comparison.Comparison, comparison.FormatComparison, comparison.RangeRow),
        *(comparison.PointRow, comparison.SpecialRow, comparison.Screened, figures.Figures),
    ],
    vjps: [vjps.VjpComparison, vjps.FormatVjps, vjps.KindRow, scoring.VjpFigures, scoring.Place],
}


@pytest.mark.parametrize("module", RECORDS, ids=lambda module: module.__name__)
def test_every_key_is_documented(module):
    words = set(re.findall(r"\w+", module.__doc__))
    for record in RECORDS[module]:
        assert {field.name for field in fields(record)} - {"curves"} <= words
