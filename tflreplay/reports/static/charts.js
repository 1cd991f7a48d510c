// Charts: the library out of the page, one look for all, drawn again when colours change.

const library = once(async () => {
  const script = document.createElement("script");
  script.textContent = await inflate("library");
  document.head.append(script);
  return window.Plotly;
});

const drawn = new Map(); // chart element -> function that draws it again, in the current colours

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

async function draw(chart, make) {
  chart.classList.add("waiting");
  const plotly = await library();
  drawn.set(chart, () => {
    const { traces, layout } = make();
    const axis = { gridcolor: colour("line"), zerolinecolor: colour("line"), automargin: true };
    plotly.react(chart, traces, {
      margin: { l: 8, r: 8, t: 8, b: 8 },
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      font: { family: "system-ui, sans-serif", size: 12, color: colour("ink") },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, traceorder: "normal" },
      hoverlabel: { bgcolor: colour("card"), font: { color: colour("ink") } },
      ...layout,
      xaxis: { ...axis, ...layout.xaxis },
      yaxis: { ...axis, ...layout.yaxis },
    }, { displayModeBar: false, responsive: true });
  });
  chart.classList.remove("waiting");
  if (chart.isConnected) drawn.get(chart)();
  return chart;
}

for (const query of ["(prefers-color-scheme: dark)", "print"]) {
  matchMedia(query).addEventListener("change", () => {
    for (const [chart, redraw] of drawn) chart.isConnected ? redraw() : drawn.delete(chart);
  });
}

// Plotly reads some markup in labels.
const plain = (text) => text.replace(/[<>&]/g, (char) => `&#${char.charCodeAt(0)};`);

// What a chart along the graph looks like: layers to the right, on a logarithmic scale how bad each is.
function alongGraph(layers, values, { title, highest, ...axis }) {
  const powers = values.flat().filter(Boolean).map(Math.log10);
  return {
    hovermode: "closest",
    showlegend: true,
    xaxis: { title: { text: "layer" }, range: [-0.8, layers.length - 0.2], zeroline: false },
    yaxis: { type: "log", dtick: 1, tickformat: "~g", title: { text: title }, ...axis,
      range: [Math.floor(Math.min(...powers) - 0.1), highest ?? Math.ceil(Math.max(...powers) + 0.1)] },
  };
}

const layerNames = (layers) => layers.map((layer) => plain(`#${layer.op_index} ${layer.op}`));

function chartBlock(title, label, controls = []) {
  const chart = element("div", { className: "chart", role: "img", ariaLabel: label });
  return [element("h3", {}, title, ...controls), chart];
}
