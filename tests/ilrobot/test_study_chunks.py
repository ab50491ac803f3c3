"""The study `chunks`, small."""

from __future__ import annotations

import pytest

from ilrobot.cli.studies.chunks import Scale, measure
from ilrobot.report.chunks import ChunkRow, chunk_rows, chunks_report
from ilrobot.report.html import render


def test_a_row_for_each_chunk_length():
    told: list[None] = []
    scale = Scale(seeds=2, demonstrations=2, steps=5, attempts=1, workers=1)
    one, eight = measure((1, 8), scale, lambda: told.append(None))
    assert len(told) == 4
    assert (one.chunk, eight.chunk) == (1, 8)
    assert one.effective_horizon == pytest.approx(8 * eight.effective_horizon)
    assert 30 < one.effective_horizon <= 200
    assert all(len(row.by_seed) == 2 and 0 <= row.success <= 1 for row in (one, eight))


def test_the_page_and_the_rows():
    rows = [ChunkRow(1, 60.0, (0.0, 0.5), 4), ChunkRow(4, 15.0, (0.75, 1.0), 4)]
    assert [row[:3] for row in chunk_rows(rows)] == [
        ("1", "60.0", "25.0%"),
        ("4", "15.0", "87.5%"),
    ]
    told = rows[1].to_json()
    assert told["success"] == 0.875
    assert told["interval"][0] < 0.875 < told["interval"][1]
    page = render(chunks_report(rows, "some/Task"))
    assert "execute 4 actions" in page
    assert page.count("<svg") == 2
