// agreement.html: the overview along the graph, and one layer's panel.

const TINTS = ["isolated", "chained", "plus", "minus", "other"];

async function drawOverview() {
  const { layers, sources } = await report();
  const names = layerNames(layers);
  const share = (layer, source) => {
    const differ = layer.mismatches[0][source];
    return differ ? (100 * differ) / layer.elements : null;
  };
  const others = sources.map((name, source) => ({ name, values: layers.map((layer) => share(layer, source)) }))
    .filter(({ values }) => values.some(Boolean));
  if (!others.length) return byId("overview").closest("section").remove(); // all like the first
  const chart = await draw(byId("overview"), () => ({
    traces: others.map(({ name, values }, place) => ({
      name: plain(name),
      x: keys.map((_, layer) => layer),
      y: values,
      text: names,
      hovertemplate: "%{text}<br>%{y:.3~g} %<extra>" + plain(name) + "</extra>",
      type: "scatter",
      mode: "lines+markers",
      line: { color: colour(TINTS[place % TINTS.length]), width: 1.5 },
      marker: { size: 5, symbol: place },
    })),
    layout: alongGraph(layers, others.map(({ values }) => values), { ticksuffix: " %", highest: 2.1 }),
  }));
  chart.on("plotly_click", (event) => choose(keys[event.points[0].x]));
}

function panelContent(layer, { sources }) {
  const pairs = layer.mismatches.flatMap((line, one) => line.slice(one + 1).map((differ, step) =>
    [sources[one], sources[one + 1 + step], differ === null ? "–" : thousands(differ)]));
  const line = (tag, texts) => element("tr", {}, ...texts.map((text, place) =>
    element(tag, { className: place === 2 ? "number" : "" }, text)));
  const nodes = [
    element("p", { className: "story" }, layer.text),
    element("table", { id: "pairs" },
      element("thead", {}, line("th", ["source", "source", `differ, of ${thousands(layer.elements)}`])),
      element("tbody", {}, ...pairs.map((texts) => line("td", texts)))),
  ];
  return { nodes, start: () => {} };
}
