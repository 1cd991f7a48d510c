// report.html: the overview along the graph, and one layer's panel.

async function drawOverview() {
  const { layers, amplification } = await report();
  const names = layerNames(layers);
  const path = new Set(amplification.worst_path);
  const steps = amplification.layers.filter((step) => path.has(step.op_index) && step.max_abs_diff > 0)
    .map((step) => [keys.indexOf(`op${step.op_index}-t${step.tensor}`), step.max_abs_diff]);
  const measures = {
    share: { of: (diff) => 100 * diff.rate, hover: "%{y:.3~g} %", axis: { ticksuffix: " %", highest: 2.1 } },
    largest: { of: (diff) => diff.max_abs_diff, hover: "±%{y:~g}", axis: { title: "largest |difference|" } },
  };
  const make = () => {
    const measure = byId("measure").measure.value;
    const { of, hover, axis } = measures[measure];
    const value = (layer, mode) => (layer[mode]?.mismatches ? of(layer[mode]) : null);
    const side = (mode, style) => ({
      name: mode,
      x: layers.map((_, place) => place),
      y: layers.map((layer) => value(layer, mode)),
      text: names,
      hovertemplate: `%{text}<br>${hover} ${mode}<extra></extra>`,
      type: "scatter",
      ...style(colour(mode)),
    });
    const traces = [
      side("chained", (color) => ({ mode: "lines+markers", line: { color, width: 1.5 }, marker: { size: 5 } })),
      side("isolated", (color) => ({ mode: "markers", marker: { color, size: 9, symbol: "diamond" } })),
      side("stretch", (color) => ({ mode: "markers", marker: { color, size: 9, symbol: "square" } })),
    ].filter(({ y }) => y.some(Boolean));
    if (measure === "largest" && steps.length) {
      traces.push({
        name: "way of the worst difference", type: "scatter", mode: "lines", hoverinfo: "skip",
        x: steps.map(([place]) => place), y: steps.map(([, size]) => size),
        line: { color: colour("plus"), width: 2, dash: "dot" },
      });
    }
    return {
      traces,
      layout: {
        ...alongGraph(layers, traces.map(({ y }) => y), axis),
        shapes: missing.map((place) => ({
          type: "line", x0: place, x1: place, y0: 0, y1: 1, yref: "paper",
          line: { color: colour("unknown"), width: 1, dash: "dot" },
        })),
      },
    };
  };
  const missing = layers.flatMap((layer, place) => (["not replayed", "not read"].includes(layer.status) ? [place] : []));
  const chart = await draw(byId("overview"), make);
  chart.on("plotly_click", (event) => choose(keys[event.points[0].x]));
  byId("measure").addEventListener("change", () => drawn.get(chart)());
}
