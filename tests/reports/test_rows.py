"""The numbers of every table against numpy on the arrays themselves."""

from __future__ import annotations

import csv
from collections import Counter

import numpy as np
import pytest

from tests.reports.synthetic import Layer, few_layers, make_run
from tflreplay.reports import frames, rows
from tflreplay.reports.write import write

LAYERS = few_layers()
RUN = make_run(LAYERS)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The three CSV files, read back as dicts of strings."""
    directory = tmp_path_factory.mktemp("report")
    write(RUN, directory)
    found = {}
    for name in ("layers", "channels", "histogram"):
        with (directory / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            found[name] = list(csv.DictReader(file))
    return found


def delta(layer: Layer, mode: str) -> np.ndarray | None:
    """Ours minus theirs, of shape (elements of a channel, channels)."""
    ours = getattr(layer, mode)
    if ours is None or layer.theirs is None:
        return None
    result = ours.astype(np.float64) - layer.theirs.astype(np.float64)
    return result.reshape(-1, layer.theirs.shape[-1]) if result.size else result


def text(value: object) -> str:
    return "" if value is None else str(value)


def test_columns_of_the_csv_files(tables):
    for name, columns in [
        ("layers", rows.LAYER_COLUMNS),
        ("channels", rows.CHANNEL_COLUMNS),
        ("histogram", rows.HISTOGRAM_COLUMNS),
    ]:
        assert tuple(tables[name][0]) == columns
    assert rows.LAYER_COLUMNS[:8] == (
        "op_index", "op", "tensor", "tensor_name", "shape", "dtype", "elements", "status",
    )  # fmt: skip


@pytest.mark.parametrize("index", range(len(LAYERS)))
def test_layer_row(tables, index):
    layer, row = LAYERS[index], tables["layers"][index]
    isolated, chained = delta(layer, "isolated"), delta(layer, "chained")
    main = isolated if isolated is not None else chained

    assert (row["op_index"], row["op"], row["tensor"]) == (str(index), layer.op, str(index + 1))
    assert row["tensor_name"] == layer.name
    assert row["reason"] == layer.reason
    shape = layer.shape if layer.theirs is None else layer.theirs.shape
    assert row["shape"] == "x".join(map(str, shape))
    assert int(row["elements"]) == np.prod(shape)
    for mode, found in (("isolated", isolated), ("chained", chained)):
        assert row[f"{mode}_mismatches"] == text(None if found is None else (found != 0).sum())
    for prefix, found in (("", main), ("chained_", chained)):
        measures = [row[f"{prefix}{name}"] for name in rows._MEASURES[1:]]
        if found is None:
            assert measures == [""] * 4
            continue
        assert int(measures[0]) == (found == 1).sum()
        assert int(measures[1]) == (found == -1).sum()
        assert float(measures[2]) == np.abs(found).max(initial=0)
        assert float(measures[3]) == pytest.approx(found.mean() if found.size else 0)
    if main is None:
        assert row["status"] == "not replayed"
        assert row["mismatch_rate"] == row["channels_affected"] == ""
    else:
        assert float(row["mismatch_rate"]) == ((main != 0).mean() if main.size else 0)
        assert int(row["channels_affected"]) == (main != 0).any(axis=0).sum()


@pytest.mark.parametrize("index", range(len(LAYERS)))
def test_channel_rows(tables, index):
    layer = LAYERS[index]
    found = [row for row in tables["channels"] if row["op_index"] == str(index)]
    if layer.theirs is None:
        assert found == []
        return
    assert [int(row["channel"]) for row in found] == list(range(layer.theirs.shape[-1]))
    for mode in ("isolated", "chained"):
        differences = delta(layer, mode)
        for channel, row in enumerate(found):
            measures = [row[f"{mode}_{name}"] for name in rows._MEASURES]
            if differences is None:
                assert measures == [""] * 5
                continue
            column = differences[:, channel]
            assert int(row["elements"]) == column.size
            assert int(measures[0]) == (column != 0).sum()
            assert int(measures[1]) == (column == 1).sum()
            assert int(measures[2]) == (column == -1).sum()
            assert float(measures[3]) == np.abs(column).max(initial=0)
            assert float(measures[4]) == pytest.approx(column.mean() if column.size else 0)


@pytest.mark.parametrize("index", range(len(LAYERS)))
def test_histogram_rows(tables, index):
    layer = LAYERS[index]
    found = [row for row in tables["histogram"] if row["op_index"] == str(index)]
    if layer.theirs is None or layer.theirs.dtype.kind == "f":
        assert found == []
        return
    channels = layer.theirs.shape[-1]
    keys = [(int(row["channel"] or channels), int(row["difference"])) for row in found]
    assert keys == sorted(set(keys))
    listed = {channel for channel, _ in keys if channel < channels}
    assert len(listed) == min(channels, rows.LISTED)
    assert {(channel, 0) for channel in listed} <= set(keys)
    for mode in ("isolated", "chained"):
        differences = delta(layer, mode)
        if differences is None:
            assert {row[mode] for row in found} == {""}
            continue
        expected = Counter(
            (channel if channel in listed else channels, int(value))
            for (_, channel), value in np.ndenumerate(differences)
        )
        assert {
            key: int(row[mode]) for key, row in zip(keys, found, strict=True) if row[mode] != "0"
        } == expected
        totals = Counter()
        for (channel, _), row in zip(keys, found, strict=True):
            totals[channel] += int(row[mode])
        rest = totals.pop(channels, 0)
        assert rest == (channels - len(listed)) * len(differences)
        assert set(totals.values()) == {len(differences)}


def test_the_channels_in_which_most_differs_have_histograms_of_their_own():
    theirs = np.zeros((3, 100), np.int8)
    ours = theirs.copy()
    ours[:2, 40:] = 1
    ours[:, 30:36] = -1
    run = make_run([Layer("ADD", "wide", theirs, ours, theirs)])
    found = [row[3:] for row in rows.histogram_rows(run)]
    assert {row[0] for row in found} == {None, *range(30, 36), *range(40, 98)}
    others = [row for row in found if row[0] is None]
    assert others == [(None, 0, 34 * 3 + 2, 36 * 3), (None, 1, 4, 0)]
    assert sum(row[2] for row in found) == sum(row[3] for row in found) == theirs.size


def test_no_two_differences_are_merged_when_int32_codes_lie_far_apart():
    theirs = np.zeros((1, 2), np.int32)
    ours = np.array([[2**31 - 1, -(2**31)]], np.int32)
    run = make_run([Layer("CAST", "wide", theirs, ours, ours)])
    found = [row[3:] for row in rows.histogram_rows(run)]
    assert found == [(0, 0, 0, 0), (0, 2**31 - 1, 1, 1), (1, -(2**31), 1, 1), (1, 0, 0, 0)]


def test_frames_hold_the_rows_and_missing_numbers():
    layers, channels = frames.layers_frame(RUN), frames.channels_frame(RUN)
    histogram = frames.histogram_frame(RUN)
    assert tuple(layers.columns) == rows.LAYER_COLUMNS
    assert tuple(channels.columns) == rows.CHANNEL_COLUMNS
    assert tuple(histogram.columns) == rows.HISTOGRAM_COLUMNS
    assert str(layers["isolated_mismatches"].dtype) == "Int64"
    assert str(channels["isolated_mean_diff"].dtype) == "Float64"
    assert layers["isolated_mismatches"].isna().tolist() == [
        layer.isolated is None for layer in LAYERS
    ]
    counts = channels.groupby("op_index")["isolated_mismatches"].sum()
    assert (
        counts[1] == layers["isolated_mismatches"][1] == (delta(LAYERS[1], "isolated") != 0).sum()
    )
    assert (
        histogram.query("op_index == 1 and difference == 1")["isolated"].sum()
        == (layers["plus_one"][1])
    )
