"""The YAML that is read and written without a dependency, held against PyYAML."""

import math

import pytest

from roost.yaml_subset import YamlError, dump, load

yaml = pytest.importorskip("yaml")

VALUES = [
    None, True, 1, -2, 0.5, 1e-05, 1e20, math.inf, "", "a", "yes", "No", "null", "~", "1", "1.0", "1e3", " a", "a ", "a: b", "a #b", "#", "- a", "-", "'", '"',
    "a\nb\n", "\ttab", "\u00fc", "\U0001f600", "a\u2028b\x85c\x7f\ufeff", "a:b", "[x]", "{x}", "%", "@x", "`", "*a", "&a", "!a", "|", ">", "?", "? a", "=", "<<", "0x10", "2020-01-01", "1_000", "1:30",
    ".5", ".", "./a/b.py", "$VAR", [], {}, [[]], [{}], {"a": []}, {"a": {}}, [1, [2, [3, []]]], [{"a": 1, "b": [1, {"c": None}]}, "x"],
    {"a b": {"c": [1, 2], "d": "e"}, "-x": 1, "1": "one", "yes": "no"}, [[{"a": [{"b": "c"}]}]],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_both_read_what_is_written_as_it_was(value):
    text = dump(value)
    assert load(text) == value, text
    assert yaml.safe_load(text) == value, text


def test_an_empty_key_is_written_as_text():
    assert load(dump({"": 1})) == yaml.safe_load(dump({"": 1})) == {"": 1}


@pytest.mark.parametrize("style", [False, None])
@pytest.mark.parametrize("value", [v for v in VALUES if v != "1e3" and not (isinstance(v, str) and "\n" in v)], ids=repr)
def test_what_pyyaml_writes_is_read(value, style):
    """But 1e3, which is text to YAML 1.1 and a number to 1.2, and texts that it breaks into lines."""
    text = yaml.safe_dump(value, default_flow_style=style, width=1000, allow_unicode=True)
    assert load(text.replace("\n...\n", "\n")) == value, text


@pytest.mark.parametrize("text", [
    "name: project\nchannels:\n- anaconda\n- conda-forge\ndependencies:\n- python=3.8\n- pip:\n  - torch>=1.6,<2\n  - 'numpy'  # a comment\n",
    "a: |\n  line\n    more\n\n  last\nb: >-\n  one\n  two\n\n  three\nc: |+\n  x\n\nd: 1\n", "---\n# c\na:   1   # c\n\nb: [1, 'x, y', {c: d, e: [f]}]  # c\n",
    "a:\n    b:\n        - c\n        - d: e\n          f: g\n        -\n          - h\n", "url: http://x:1/y#z\nwords: a 'b' \"c\"\n", "\"q: k\": 'v'\n", "- - 1\n  - 2\n- - 3\n", "", "# c\n",
])  # fmt: skip
def test_files_as_people_write_them(text):
    assert load(text) == yaml.safe_load(text)


@pytest.mark.parametrize("text, line", [
    ("a: 1\na: 2", 2), ("a: 1\n  b: 2", 2), ("a: [1", 1), ("a: {b", 1), ('a: "\\q"', 1), ("a: 'x", 1), ("a: *b", 1), ("a: !t 1", 1), ("a: b: c", 1), ("a: 'x' y", 1), ("- a\nb: 1", 2),
    ("a:\n\t- 1", 2), ("a: x\n  y", 2), ("? a\n: b", 1), ("a\nb", 2), ("a: 1\n---\nb: 2", 2),
])  # fmt: skip
def test_what_is_not_read_is_named_by_its_line(text, line):
    with pytest.raises(YamlError) as caught:
        load(text)
    assert caught.value.line == line
