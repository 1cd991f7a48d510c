// Of a dataset: where it differs, layers by inputs, and how much in how many inputs.

async function drawMap() {
  const { dataset, layers } = await report();
  const step = dataset.map.inputs_in_a_column;
  const names = layerNames(layers);
  let shown;
  const make = () => {
    const all = dataset.map[byId("side").side.value];
    const places = all.map((_, place) => place).filter((place) => all[place].some(Boolean));
    const table = places.map((place) => all[place]);
    shown = places.map((place) => dataset.map.layers[place]);
    return {
      traces: [{
        type: "heatmap",
        x0: (step - 1) / 2,
        dx: step,
        y: shown.map((_, place) => place),
        z: table.map((line) => line.map((share) => (share ? Math.log10(share) : null))),
        text: table.map((line) => line.map((share) => `${share} %`)),
        customdata: table.map((line, place) => line.map((_, column) => `${names[shown[place]]}<br>input ${
          step === 1 ? column : `${column * step} to ${Math.min((column + 1) * step, dataset.inputs) - 1}`}`)),
        hovertemplate: "%{customdata}: %{text} of elements differ<extra></extra>",
        hoverongaps: false,
        zmin: -4,
        zmax: 2,
        colorscale: [[0, colour("few")], [1, colour("many")]],
        colorbar: { thickness: 14, outlinewidth: 0, tickvals: [-4, -2, 0, 2], ticktext: ["0.0001 %", "0.01 %", "1 %", "100 %"] },
      }],
      layout: {
        xaxis: { title: { text: "input" }, range: [-0.5, dataset.inputs - 0.5], tickformat: "d", showgrid: false, zeroline: false },
        yaxis: { range: [shown.length - 0.5, -0.5], showgrid: false, zeroline: false,
          ...(shown.length <= 24
            ? { tickvals: shown.map((_, place) => place), ticktext: shown.map((layer) => names[layer]) }
            : { title: { text: "layer that differs" }, tickvals: [] }) },
      },
    };
  };
  const chart = await draw(byId("map"), make);
  chart.on("plotly_click", (event) => choose(keys[shown[event.points[0].pointIndex[0]]]));
  byId("side").addEventListener("change", () => drawn.get(chart)());
}

async function drawRates() {
  const { dataset } = await report();
  const words = (share) => `${Number((100 * share).toPrecision(2))} %`;
  const used = dataset.rates.filter(({ inputs }, place) => inputs || !place);
  const last = dataset.rates.indexOf(used.at(-1));
  const first = dataset.rates.findIndex(({ inputs }, place) => place && inputs);
  const bins = dataset.rates.filter((_, place) => !place || (first > 0 && place >= first && place <= last));
  draw(byId("rates"), () => ({
    traces: [{
      type: "bar",
      x: bins.map((_, place) => place),
      y: bins.map(({ inputs }) => inputs),
      text: bins.map(({ from, to }) => (to ? `${words(from)} to ${words(to)}` : "none")),
      textposition: "none",
      hovertemplate: "%{text} of elements differ: %{y:,} inputs<extra></extra>",
      marker: { color: bins.map(({ to }) => colour(to ? "isolated" : "muted")) },
    }],
    layout: {
      bargap: 0.1,
      xaxis: { title: { text: "share of elements that differ" }, tickangle: 0, showgrid: false,
        tickvals: bins.map((_, place) => place).filter((place) => place % Math.ceil(bins.length / 9) === 0),
        ticktext: bins.map(({ to }) => (to ? `≤ ${words(to)}` : "0")).filter((_, place) => place % Math.ceil(bins.length / 9) === 0) },
      yaxis: { title: { text: "inputs" }, tickformat: ",d", rangemode: "tozero" },
    },
  }));
}
