"""Overlays for Model Explorer: every key finds its node, also by Model Explorer's own adapter."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import EFFICIENTNET, IMAGE, SEVEN_OPS
from tests.reports.synthetic import Layer, few_layers, make_run
from tests.reports.test_junit import VERDICT
from tflreplay.judgement.run import Findings, Run
from tflreplay.model import Signature, load
from tflreplay.reports import model_explorer
from tflreplay.runtimes.inputs import random_inputs, read_inputs
from tflreplay.tools.replay import run

CODES = np.arange(12, dtype=np.int8).reshape(1, 3, 4)
OFF = CODES + np.int8(1)


def overlay(text: str, graph: str = "main") -> dict[str, Any]:
    document = json.loads(text)
    assert list(document) == [graph]
    return document[graph]


def values(found: dict[str, Any]) -> dict[str, Any]:
    return {key: result["value"] for key, result in found["results"].items()}


def test_counts_and_verdicts_by_tensor_name() -> None:
    record = replace(make_run(few_layers()), findings=Findings(verdicts={1: VERDICT}))
    layers = record.comparison.layers
    assert layers[1].isolated is not None
    assert layers[6].chained is not None
    counts = overlay(model_explorer.mismatches(record))
    assert values(counts) == {
        "exact layer": 0,
        "<script>alert(1)</script>": layers[1].isolated.mismatches,
        "inherits & passes on": 0,
        "real": 1,
        "empty": 0,
        "chained only": layers[6].chained.mismatches,
    }
    verdicts = overlay(model_explorer.verdicts(record))
    assert values(verdicts) == {
        "exact layer": "exact",
        "<script>alert(1)</script>": "double",
        "inherits & passes on": "inherited",
        "3": "not replayed",
        "real": "mismatch",
        "empty": "exact",
        "chained only": "mismatch",
    }
    assert counts["name"] != verdicts["name"]
    colours = {(found["value"], found["bgColor"]) for found in verdicts["results"].values()}
    assert len({colour for _, colour in colours}) == len(colours) == 5


def test_every_count_has_a_colour() -> None:
    """The first threshold, in their order, that a value does not exceed is the one."""
    tops = [
        threshold["value"]
        for threshold in overlay(model_explorer.mismatches(make_run(few_layers())))["thresholds"]
    ]
    assert tops == sorted(tops)
    assert tops[0] == 0
    assert tops[-1] > 2**40


def test_a_name_that_is_not_unique_gives_way_to_the_op_index() -> None:
    layers = [
        Layer("ADD", "twice", CODES, OFF),
        Layer("ADD", "once", CODES, OFF),
        Layer("ADD", "twice", CODES, CODES),
        Layer("ADD", "input", CODES, OFF),  # as the graph's input is called
        Layer("ADD", "weights", CODES, OFF),  # as a constant is called
        Layer("ADD", "", CODES, OFF),
    ]
    counts = overlay(model_explorer.mismatches(make_run(layers)))
    assert values(counts) == {"0": 12, "once": 12, "2": 0, "3": 12, "4": 12, "5": 12}


def test_outputs_of_one_op_that_have_no_names_are_told_together() -> None:
    record = make_run([Layer("SPLIT", "", CODES, CODES), Layer("SPLIT", "", CODES, OFF)])
    layers = tuple(replace(layer, op_index=0) for layer in record.comparison.layers)
    record = replace(record, comparison=replace(record.comparison, layers=layers))
    assert values(overlay(model_explorer.mismatches(record))) == {"0": 12}
    assert values(overlay(model_explorer.verdicts(record))) == {"0": "mismatch"}


def test_graph_is_called_as_model_explorer_does() -> None:
    model = make_run([]).model
    graph = replace(model.main, name="")
    signed = (Signature("other", 1, {}, {}), Signature("serve", 0, {}, {}))
    assert model_explorer.graph_id(model) == "main"
    assert model_explorer.graph_id(replace(model, subgraphs=(graph,))) == "main"
    assert model_explorer.graph_id(replace(model, subgraphs=(graph,), signatures=signed)) == "serve"


@pytest.fixture(scope="module", params=["EfficientNet-B0", "seven ops, replayed as single"])
def record(request: pytest.FixtureRequest) -> Run:
    pytest.importorskip("model_explorer", reason="Model Explorer is not installed")
    if request.param == "EfficientNet-B0":
        model = load(EFFICIENTNET)
        return run(model, read_inputs(model, [str(IMAGE)]), modes=("isolated",))
    model = load(SEVEN_OPS)
    return run(model, random_inputs(model), replay_as="single", modes=("isolated",))


@pytest.mark.parametrize("make", [model_explorer.mismatches, model_explorer.verdicts])
def test_model_explorer_finds_every_key(record: Run, make: Any, tmp_path: Path) -> None:
    from ai_edge_model_explorer_adapter import ConvertFlatbufferDirectlyToJson, VisualizeConfig
    from model_explorer import config, node_data_builder

    # It can be read into their records, which know no other fields, and comes out as it was.
    text = make(record)
    graph_data = node_data_builder.GraphNodeData(**overlay(text))
    again = node_data_builder.ModelNodeData({"main": graph_data}).to_json_string()
    assert {**json.loads(text)["main"], **json.loads(again)["main"]} == json.loads(again)["main"]
    path = tmp_path / "overlay.json"
    path.write_text(text)
    loaded = config().add_model_from_path(str(record.model.path))
    assert loaded.add_node_data_from_path(str(path)).node_data_sources == [str(path)]

    # As the page looks a key up: by an output tensor's name, the last node wins, or as a node's id.
    (collection,) = json.loads(
        ConvertFlatbufferDirectlyToJson(VisualizeConfig(), str(record.model.path))
    )
    graph = next(graph for graph in collection["subgraphs"] if graph["id"] == "main")
    nodes = {node["id"]: node["label"] for node in graph["nodes"]}
    by_tensor = {
        attribute["value"]: node["id"]
        for node in graph["nodes"]
        for output in node["outputsMetadata"]
        for attribute in output["attrs"]
        if attribute["key"] == "tensor_name"
    }
    found = [by_tensor.get(key, key) for key in graph_data.results]
    operators = record.model.main.operators
    assert found == [str(op.index) for op in operators]
    assert [nodes[node] for node in found] == [op.name.lower() for op in operators]
