"""A report replaces and removes what an earlier report wrote, and nothing else."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from resprof.answers.report.folder import MANIFEST, ReportFolder
from resprof.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an earlier report that wrote three files; two more are somebody's own."""
    top = tmp_path / "report"
    before = ReportFolder.opened(top, force=False)
    files = {"index.md": "index", "charts/a.svg": "a", "charts/old/b.svg": "b"}
    before.claimed(files).write(files)
    (top / "runs").mkdir()
    (top / "runs" / "run.jsonl").write_text("run")
    (tmp_path / "mine.txt").write_text("mine")
    (top / "theirs.txt").write_text("theirs")
    return top


def _untouched(folder: Path) -> bool:
    own = (folder.parent / "mine.txt", folder / "theirs.txt", folder / "runs" / "run.jsonl")
    return [file.read_text() for file in own] == ["mine", "theirs", "run"]


def _owning(folder: Path, *names: object) -> None:
    """The manifest names these as well."""
    known = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**known, "files": [*known["files"], *names]}))


def test_what_is_written_no_more_is_removed_with_the_folders_left_empty(folder: Path) -> None:
    _owning(folder, "gone-already.csv")
    assert ReportFolder.opened(folder, force=False).settled(["index.md", "charts/a.svg"]) == 1
    assert not (folder / "charts" / "old").exists()
    assert (folder / "charts" / "a.svg").read_text() == "a"
    assert _untouched(folder)
    left = json.loads((folder / MANIFEST).read_text())["files"]
    assert left == ["charts/a.svg", "index.md", MANIFEST]
    assert ReportFolder.opened(folder, force=False).settled(["index.md"]) == 1


def test_a_link_leads_to_nothing_that_is_removed(folder: Path) -> None:
    (folder / "linked").symlink_to(folder.parent)
    (folder / "own").symlink_to(folder / "runs")
    _owning(folder, "linked/mine.txt", "linked", "runs", "runs/run.jsonl", "own/run.jsonl")
    assert ReportFolder.opened(folder, force=False).settled(["index.md"]) == 2
    assert _untouched(folder)
    assert (folder / "linked").is_symlink()


def test_a_folder_that_is_a_link_is_as_good_as_any(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert ReportFolder.opened(link, force=False).settled([]) == 3
    assert _untouched(folder)


@pytest.mark.parametrize(
    ("link", "to", "name"),
    [
        ("paper.csv", "../mine.txt", "paper.csv"),
        ("paper.csv", "theirs.txt", "paper.csv"),
        ("paper.csv", "../nothing", "paper.csv"),
        ("linked", "..", "linked/mine.txt"),
        ("linked", "runs", "linked/run.jsonl"),
        ("linked", "../nothing", "linked/a.svg"),
        ("linked", "linked", "linked/a.svg"),
        ("charts/linked", "../..", "charts/linked/mine.txt"),
        ("charts/new.svg", "../../mine.txt", "charts/new.svg"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_no_link_below_the_folder_is_followed(
    folder: Path, link: str, to: str, name: str, force: bool
) -> None:
    (folder / link).symlink_to(to)
    _owning(folder, name)
    manifest = (folder / MANIFEST).read_text()
    opened = ReportFolder.opened(folder, force=force)
    for refused in (
        lambda: opened.refuse_foreign(["index.md", name]),
        lambda: opened.claimed(["index.md", name]),
        lambda: opened.write({"index.md": "changed", name: "changed"}),
    ):
        with pytest.raises(UsageError, match="is a link") as caught:
            refused()
        assert str(folder / link) in caught.value.message
        assert len(caught.value.hint.splitlines()) == 1
    assert _untouched(folder)
    assert (folder / link).is_symlink()
    assert (folder / "index.md").read_text() == "index"
    assert (folder / MANIFEST).read_text() == manifest
    assert not (folder.parent / "nothing").exists()
    opened.settled(["index.md"])
    assert _untouched(folder)
    assert (folder / link).is_symlink()


@pytest.mark.parametrize("force", [False, True])
def test_a_manifest_that_is_a_link_is_not_even_read(folder: Path, force: bool) -> None:
    (folder / MANIFEST).rename(folder.parent / "theirs.json")
    before = (folder.parent / "theirs.json").read_text()
    (folder / MANIFEST).symlink_to(folder.parent / "theirs.json")
    with pytest.raises(UsageError, match=r"manifest\.json.*is a link"):
        ReportFolder.opened(folder, force=force)
    assert (folder.parent / "theirs.json").read_text() == before


def test_a_hard_link_keeps_its_other_name_as_it_was(folder: Path) -> None:
    (folder / "paper.csv").hardlink_to(folder.parent / "mine.txt")
    ReportFolder.opened(folder, force=True).write({"paper.csv": "paper"})
    assert _untouched(folder)
    assert (folder / "paper.csv").read_text() == "paper"


@pytest.mark.parametrize(
    "name",
    ["../mine.txt", "/etc/hostname", "x/../runs/it", "./mine.txt", ".", "", "a\0b", "a\nb", 7],
)
def test_a_manifest_that_names_other_files_is_none(folder: Path, name: object) -> None:
    _owning(folder, "theirs.txt", name)
    with pytest.raises(UsageError, match="manifest"):
        ReportFolder.opened(folder, force=False)
    assert ReportFolder.opened(folder, force=True).owned == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"files": ["theirs.txt"]}',
        '{"schema": 1, "files": ["theirs.txt"]}',
        '{"schema": 1, "record": "report manifest", "files": 1}',
        '{"schema": 1, "record": "report manifest", "files": "ab"}',
        '{"schema": 99, "record": "report manifest", "files": []}',
        "[" * 100_000,
        "\x00",
        "\udc80",
        '"x"',
    ],
)
def test_a_foreign_manifest_is_not_trusted(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError, match=r"manifest\.json") as caught:
        ReportFolder.opened(folder, force=False)
    assert "--force" in caught.value.hint
    forced = ReportFolder.opened(folder, force=True)
    assert forced.settled(["index.md"]) == 0
    assert _untouched(folder)


def test_a_file_where_the_report_needs_a_folder_is_found_before_any_work(folder: Path) -> None:
    (folder / "measured").write_text("mine")
    with pytest.raises(UsageError, match=r"measured.*not a folder"):
        ReportFolder.opened(folder, force=True).refuse_foreign(["measured/a/b.csv"])


def test_what_cannot_be_removed_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))

    opened = ReportFolder.opened(folder, force=False)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(UsageError, match=r"a\.svg.*Permission denied"):
        opened.settled([])
