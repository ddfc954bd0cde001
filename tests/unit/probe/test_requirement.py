"""The stdlib-only part of PEP 440 and 508 against `packaging`, which is not on the target."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from facts.probe import marker, requirement
from facts.probe.marker import Invalid

NUMBERS = st.integers(0, 12).map(str)
RELEASES = st.lists(NUMBERS, min_size=1, max_size=4).map(".".join)
VERSIONS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "", "1!", "v"]),
        RELEASES,
        st.sampled_from(["", "", "", "a1", "b2", "rc1", ".pre3", "-c0", "_alpha"]),
        st.sampled_from(["", "", "", ".post1", "-2", "rev3", ".post"]),
        st.sampled_from(["", "", "", ".dev1", "dev0", "-dev"]),
        st.sampled_from(["", "", "", "+cu124", "+cpu", "+1.2", "+ubuntu-1", "+2"]),
    ),
)
OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "~=", "==="])
SPECIFIERS = st.builds(
    "".join, st.tuples(OPERATORS, st.sampled_from(["", " "]), VERSIONS, st.sampled_from(["", "", ".*"]))
)
ENVIRONMENT = marker.environment("3.11.7")
NAMES = ["python_version", "python_full_version", "sys_platform", "platform_machine", "extra", "implementation_name"]
VALUES = ["3.9", "3.11", "3.11.7", "3.*", "linux", "x86_64", "win32", "cuda", "Cuda_x", "cpython", ""]


@given(VERSIONS, VERSIONS)
def test_versions_are_ordered_as_packaging_orders_them(left: str, right: str) -> None:
    ours = requirement.parse_version(left).key(), requirement.parse_version(right).key()
    theirs = Version(left), Version(right)
    assert (ours[0] < ours[1], ours[0] == ours[1]) == (theirs[0] < theirs[1], theirs[0] == theirs[1])


@given(st.text(st.sampled_from("0123456789.!+-_abcdevpostr* "), max_size=12))
def test_the_same_texts_are_versions(text: str) -> None:
    try:
        Version(text)
        theirs = True
    except InvalidVersion:
        theirs = False
    try:
        requirement.parse_version(text)
        ours = True
    except Invalid:
        ours = False
    assert ours == theirs


@given(VERSIONS, st.lists(SPECIFIERS, max_size=3).map(",".join))
def test_specifiers_hold_as_packaging_says(version: str, specifiers: str) -> None:
    try:
        theirs = SpecifierSet(specifiers).contains(Version(version), prereleases=True)
    except InvalidSpecifier:
        return  # what packaging refuses no wheel has
    if "===" in specifiers:  # packaging compares with its own spelling of the version
        version = str(Version(version))
        theirs = SpecifierSet(specifiers).contains(version, prereleases=True)
    assert requirement.satisfies(version, specifiers) == theirs


def comparisons() -> st.SearchStrategy[str]:
    """`name operator value` and turned round; a text to the left of a version means nothing."""
    operator = st.sampled_from(["==", "!=", "<", ">=", "in", "not in"])
    plain = st.builds("{} {} '{}'".format, st.sampled_from(NAMES), operator, st.sampled_from(VALUES))
    turned = st.builds("'{}' {} {}".format, st.sampled_from(VALUES), operator, st.sampled_from(NAMES[2:]))
    versions = st.builds("'{}' {} {}".format, st.sampled_from(["3.9", "3.11.7"]), operator, st.sampled_from(NAMES[:2]))
    return plain | turned | versions


MARKERS = st.recursive(
    comparisons(),
    lambda inner: st.builds("{} and {}".format, inner, inner) | st.builds("({} or {})".format, inner, inner),
    max_leaves=5,
)


@given(MARKERS, st.sampled_from(["", "cuda", "cuda-x"]))
def test_markers_hold_as_packaging_says(text: str, extra: str) -> None:
    try:
        theirs = Marker(text).evaluate(dict(ENVIRONMENT, extra=extra))
    except (UndefinedEnvironmentName, InvalidVersion):
        return
    assert requirement.parse_requirement("a; " + text).applies(ENVIRONMENT, extra) == theirs


@pytest.mark.parametrize(
    "line",
    [
        "filelock",
        "typing-extensions (>=4.10.0)",
        'nvidia-cublas-cu12 (==12.4.5.8) ; platform_system == "Linux" and platform_machine == "x86_64"',
        "cuda-toolkit[cublas,nvjitlink]==13.0.2; platform_system == 'Linux'",
        "pillow (!=8.3.*,>=5.3.0)",
        "Some.Name [A_b , c] ~= 1.2",
        "outlines_core==0.2.11",
        "setuptools (<80,>=77.0.3) ; python_version > '3.11'",
    ],
)
def test_lines_of_real_wheels(line: str) -> None:
    ours, theirs = requirement.parse_requirement(line), Requirement(line)
    assert ours.name == requirement.normalise(theirs.name)
    assert set(ours.extras) == {requirement.normalise(extra) for extra in theirs.extras}
    assert SpecifierSet(ours.specifiers) == theirs.specifier
    assert ours.applies(ENVIRONMENT) == (theirs.marker is None or theirs.marker.evaluate(dict(ENVIRONMENT, extra="")))


def test_a_url_asks_for_no_version() -> None:
    wanted = requirement.parse_requirement("torch @ https://127.0.0.1/torch.whl ; extra == 'a'")
    assert (wanted.name, wanted.specifiers) == ("torch", "")
    assert wanted.applies(ENVIRONMENT, "a") and not wanted.applies(ENVIRONMENT)


@pytest.mark.parametrize(
    "specifiers, pin", [("==1.2", "1.2"), ("==1.2.*", None), (">=1,==1.5", "1.5"), ("", None), ("?", None)]
)
def test_the_one_version_that_is_admitted(specifiers: str, pin: str | None) -> None:
    assert requirement.exact(specifiers) == pin


@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from(["a", "(", ")", "[", "]", ";", "==", "1", "and", "'", " ", "extra", "@"])).map("".join)
)
def test_whatever_a_line_says_it_is_a_requirement_or_invalid(text: str) -> None:
    try:
        wanted = requirement.parse_requirement(text)
        wanted.applies(ENVIRONMENT, "x")
        requirement.satisfies("1.0", wanted.specifiers)
    except Invalid:
        pass
