"""The index of recorded outputs is whole, so that what is driven by it tests what it seems to."""

from tests.unit.recorded import INDEX, RECORDED, recordings


def test_every_row_has_its_file_and_every_file_its_row() -> None:
    on_disk = {str(path.relative_to(RECORDED)) for path in RECORDED.glob("*/*.txt")}
    assert on_disk == {row["file"] for row in INDEX}


def test_no_file_is_named_twice() -> None:
    assert len({row["file"] for row in INDEX}) == len(INDEX)


def test_uv_has_as_many_outputs_as_the_tests_count_on() -> None:
    assert len(recordings("uv", "error")) >= 53
