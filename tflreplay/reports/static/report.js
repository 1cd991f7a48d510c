// Every string of the report reaches the page as text (textContent), never as markup.
"use strict";

const byId = (id) => document.getElementById(id);
const rows = [...byId("table").tBodies[0].rows];
const rowOf = new Map(rows.map((row) => [row.dataset.key, row]));
const thousands = (value) => value.toLocaleString("en-US");
const once = (make) => {
  let made;
  return () => (made ??= make());
};

async function inflate(id) {
  const bytes = Uint8Array.from(atob(byId(id).textContent), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

const report = once(async () => {
  const found = JSON.parse(await inflate("data"));
  for (const layer of found.layers) layer.key = `op${layer.op_index}-t${layer.output.tensor}`;
  return found;
});

const library = once(async () => {
  const script = document.createElement("script");
  script.textContent = await inflate("library");
  document.head.append(script);
  return window.Plotly;
});

// An element with properties and children; strings become text.
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// ---- charts ----------------------------------------------------------------------------------

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

async function drawOverview() {
  const { layers, amplification } = await report();
  const names = layers.map((layer) => plain(`#${layer.op_index} ${layer.op}`));
  const places = new Map(layers.map((layer, place) => [layer.key, place]));
  const path = new Set(amplification.worst_path);
  const steps = amplification.layers.filter((step) => path.has(step.op_index) && step.max_abs_diff > 0)
    .map((step) => [places.get(`op${step.op_index}-t${step.tensor}`), step.max_abs_diff]);
  const measures = {
    share: { of: (diff) => 100 * diff.rate, hover: "%{y:.3~g} %", axis: { ticksuffix: " %" }, highest: 2.1 },
    largest: { of: (diff) => diff.max_abs_diff, hover: "±%{y:~g}", axis: {}, title: "largest |difference|" },
  };
  const make = () => {
    const measure = byId("measure").measure.value;
    const { of, hover, axis, title, highest } = measures[measure];
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
    ];
    if (measure === "largest" && steps.length) {
      traces.push({
        name: "way of the worst difference", type: "scatter", mode: "lines", hoverinfo: "skip",
        x: steps.map(([place]) => place), y: steps.map(([, size]) => size),
        line: { color: colour("plus"), width: 2, dash: "dot" },
      });
    }
    const values = traces.flatMap(({ y }) => y.filter(Boolean));
    const lowest = Math.log10(Math.min(...values));
    return {
      traces,
      layout: {
        hovermode: "closest",
        showlegend: true,
        xaxis: { title: { text: "layer" }, range: [-0.8, layers.length - 0.2], zeroline: false },
        yaxis: { type: "log", dtick: 1, tickformat: "~g", title: { text: title }, ...axis,
          range: [Math.floor(lowest - 0.1), highest ?? Math.ceil(Math.log10(Math.max(...values)) + 0.1)] },
        shapes: missing.map((place) => ({
          type: "line", x0: place, x1: place, y0: 0, y1: 1, yref: "paper",
          line: { color: colour("unknown"), width: 1, dash: "dot" },
        })),
      },
    };
  };
  const missing = layers.flatMap((layer, place) => (layer.status === "not replayed" ? [place] : []));
  const chart = await draw(byId("overview"), make);
  chart.on("plotly_click", (event) => choose(layers[event.points[0].x].key));
  byId("measure").addEventListener("change", () => drawn.get(chart)());
}

const MANY = 2000; // bars that a chart still draws quickly

// Pairs [difference, count] put together in equal steps, where there are too many to show.
function binned(histogram) {
  if (histogram.length <= MANY) return { pairs: histogram, step: 1 };
  const low = histogram[0][0];
  const step = Math.ceil((histogram.at(-1)[0] - low + 1) / 200);
  const counts = new Map();
  for (const [difference, count] of histogram) {
    const start = low + Math.floor((difference - low) / step) * step;
    counts.set(start, (counts.get(start) ?? 0) + count);
  }
  return { pairs: [...counts], step };
}

function histogramChart(layer, chart) {
  const modes = ["isolated", "chained"].filter((mode) => layer[mode]);
  return draw(chart, () => {
    const sides = modes.map((mode) => ({ mode, ...binned(layer[mode].histogram) }));
    const places = sides.flatMap(({ pairs }) => pairs.map(([difference]) => difference));
    const reach = Math.max(...places) - Math.min(...places);
    return {
      traces: sides.map(({ mode, pairs, step }) => ({
        type: "bar",
        name: mode,
        x: pairs.map(([difference]) => difference),
        y: pairs.map(([, count]) => count),
        marker: { color: colour(mode) },
        hovertemplate: step === 1
          ? `difference %{x:+d}: %{y:,} elements<extra>${mode}</extra>`
          : `from %{x:+d}, ${thousands(step)} wide: %{y:,} elements<extra>${mode}</extra>`,
      })),
      layout: {
        barmode: "group",
        bargap: 0.15,
        showlegend: true,
        xaxis: { title: { text: "difference" }, tickformat: ",d", ...(reach < 16 && { dtick: 1 }) },
        // From a half, so that a count of one is seen.
        yaxis: { type: "log", title: { text: "elements" }, dtick: 1, tickformat: ",d",
          range: [Math.log10(0.5), Math.log10(layer.elements * 1.5)] },
      },
    };
  });
}

function channelChart(diff, chart) {
  const { mismatches, plus_one: plus, minus_one: minus, elements } = diff.by_channel;
  let channels = mismatches.map((_, channel) => channel);
  if (channels.length > MANY) {
    channels = channels.sort((a, b) => mismatches[b] - mismatches[a]).slice(0, MANY);
    channels.sort((a, b) => a - b);
  }
  const kinds = [
    ["+1", "plus", (channel) => plus[channel]],
    ["−1", "minus", (channel) => minus[channel]],
    ["further apart", "other", (channel) => mismatches[channel] - plus[channel] - minus[channel]],
  ];
  return draw(chart, () => ({
    traces: kinds.map(([name, tint, count]) => ({
      type: "bar",
      name,
      x: channels,
      y: channels.map(count),
      marker: { color: colour(tint), line: { width: 0 } },
      hovertemplate: `channel %{x}: %{y:,} of ${thousands(elements)}<extra>${name}</extra>`,
    })).filter((trace) => trace.y.some(Boolean)),
    layout: {
      barmode: "stack",
      bargap: channels.length > 100 ? 0 : 0.15,
      showlegend: true,
      xaxis: { title: { text: "channel" }, tickformat: "d", zeroline: false, ...(channels.length < 16 && { dtick: 1 }) },
      yaxis: { title: { text: "mismatches" }, tickformat: ",d", rangemode: "tozero",
        ...(Math.max(...mismatches) < 6 && { dtick: 1 }) },
    },
  }));
}

// Where in height and width; a bin may cover several rows and columns.
function heatChart(layer, chart) {
  const { size, mismatches } = layer.detail.heat;
  const [batch, height, width, channels] = layer.output.shape;
  const span = (bin, step, length) => [bin * step, Math.min((bin + 1) * step, length) - 1];
  const words = ([first, last]) => (first === last ? `${first}` : `${first} to ${last}`);
  const cells = mismatches.map((line, i) => line.map((count, j) => {
    const [row, column] = [span(i, size[0], height), span(j, size[1], width)];
    const elements = batch * channels * (row[1] - row[0] + 1) * (column[1] - column[0] + 1);
    return {
      share: count ? (100 * count) / elements : null, // nothing wrong: left blank
      text: `row ${words(row)}, column ${words(column)}: ${thousands(count)} of ${thousands(elements)} differ`,
    };
  }));
  return draw(chart, () => ({
    traces: [{
      type: "heatmap",
      y0: (size[0] - 1) / 2,
      dy: size[0],
      x0: (size[1] - 1) / 2,
      dx: size[1],
      z: cells.map((line) => line.map(({ share }) => share)),
      text: cells.map((line) => line.map(({ text }) => text)),
      hovertemplate: "%{text}<extra></extra>",
      hoverongaps: false,
      zmin: 0,
      zmax: Math.max(...cells.flat().map(({ share }) => share)),
      colorscale: [[0, colour("few")], [1, colour("many")]],
      colorbar: { ticksuffix: " %", thickness: 14, outlinewidth: 0 },
    }],
    layout: {
      xaxis: { title: { text: "column" }, range: [-0.5, width - 0.5], constrain: "domain", showgrid: false, zeroline: false, mirror: true, showline: true, linecolor: colour("line") },
      yaxis: { title: { text: "row" }, range: [height - 0.5, -0.5], constrain: "domain", scaleanchor: "x", showgrid: false, zeroline: false, mirror: true, showline: true, linecolor: colour("line") },
    },
  }));
}

// Accumulator times multiplier, without its whole part: mistakes in rounding gather at a half.
function fractionChart(pairs, chart) {
  const kinds = [
    ["are equal", "muted", pairs.filter(([, difference]) => difference === 0)],
    ["differ", "plus", pairs.filter(([, difference]) => difference !== 0)],
  ];
  return draw(chart, () => ({
    traces: kinds.map(([name, tint, points]) => ({
      type: "scatter",
      mode: "markers",
      name: `${thousands(points.length)} that ${name}`,
      x: points.map(([fraction]) => fraction),
      y: points.map(([, difference]) => difference),
      marker: { symbol: "line-ns-open", size: 14, color: colour(tint), line: { width: 1.5, color: colour(tint) } },
      hovertemplate: "fraction %{x:.6f}: difference %{y:+d}<extra></extra>",
    })).filter((trace) => trace.x.length),
    layout: {
      showlegend: true,
      hovermode: "closest",
      xaxis: { title: { text: "fraction, of a sample" }, range: [-0.01, 1.01], zeroline: false },
      yaxis: { title: { text: "difference" }, tickformat: ",d", zeroline: false,
        ...(pairs.every(([, difference]) => Math.abs(difference) < 6) && { dtick: 1, range: reach(pairs) }) },
      shapes: [{ type: "line", x0: 0.5, x1: 0.5, y0: 0, y1: 1, yref: "paper",
        line: { color: colour("muted"), width: 1, dash: "dot" } }],
    },
  }));
}

function reach(pairs) {
  const values = pairs.map(([, difference]) => difference);
  return [Math.min(-1, ...values) - 0.5, Math.max(1, ...values) + 0.5];
}

// ---- the panel of one layer ------------------------------------------------------------------

const MEASURES = [
  ["mismatches", "mismatches"],
  ["share of elements", "rate", (value) => `${Number((100 * value).toPrecision(3))} %`],
  ["+1", "plus_one"],
  ["−1", "minus_one"],
  ["max |difference|", "max_abs_diff"],
  ["mean difference", "mean_diff", (value) => String(Number(value.toPrecision(4)))],
  ["channels affected", "channels_affected"],
];

function measuresTable(layer) {
  const modes = ["isolated", "chained"].filter((mode) => layer[mode]);
  const cell = (value, format = thousands) =>
    element("td", { className: "number" }, value === null ? "–" : format(value));
  return element("table", { id: "measures" },
    element("thead", {}, element("tr", {}, element("th"),
      ...modes.map((mode) => element("th", { className: "number" }, mode)))),
    element("tbody", {}, ...MEASURES.map(([label, name, format]) => element("tr", {},
      element("td", {}, label),
      ...modes.map((mode) => cell(layer[mode][name], format))))));
}

// The shortest decimal that is this float32.
function float32(value) {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}

function quantization(found) {
  if (!found) return ["–", "–"];
  if (found.axis === undefined) return [float32(found.scale), String(found.zero_point)];
  const [low, high] = found.zero_point_range;
  return [
    `${found.scales} scales along axis ${found.axis}, ${found.scale_range.map(float32).join(" to ")}`,
    low === high ? String(low) : `${low} to ${high}`,
  ];
}

function tensorsTable(layer) {
  const line = (role, tensor) => {
    const [scale, zeroPoint] = quantization(tensor.quantization);
    return element("tr", { title: tensor.name }, ...[
      `${role} ${tensor.tensor}`, tensor.dtype, tensor.shape.join("x") || "scalar", scale, zeroPoint,
    ].map((text) => element("td", {}, text)));
  };
  const heads = ["tensor", "dtype", "shape", "scale", "zero point"];
  return element("table", { id: "tensors" },
    element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", {}, text)))),
    element("tbody", {},
      ...layer.inputs.map((tensor) => line(tensor.constant ? "constant" : "input", tensor)),
      line("output", layer.output)));
}

function chartBlock(title, label, controls = []) {
  const chart = element("div", { className: "chart", role: "img", ariaLabel: label });
  return [element("h3", {}, title, ...controls), chart];
}

function channelBlock(layer) {
  const modes = ["isolated", "chained"].filter((mode) => layer[mode]?.by_channel);
  const controls = modes.length < 2 ? [] : [element("span", { className: "switch" },
    ...modes.map((mode, place) => element("label", {},
      element("input", { type: "radio", name: "channels", value: mode, checked: place === 0 }),
      ` ${mode}`)))];
  const shown = layer.channels > MANY ? `, the ${thousands(MANY)} with most mismatches` : "";
  const [heading, chart] = chartBlock(
    `Mismatches by channel (${modes.length > 1 ? "" : `${modes[0]}, `}axis ${layer.channel_axis}${shown})`,
    "Mismatches in each channel, split into +1, −1 and further apart; channels.csv holds the numbers",
    controls);
  heading.addEventListener("change", (event) => channelChart(layer[event.target.value], chart));
  return { nodes: [heading, chart], start: () => channelChart(layer[modes[0]], chart) };
}

// What explains the output, and how many elements each rejected candidate gets wrong.
function verdictBlock(verdict) {
  const rejected = Object.entries(verdict.contradicted).sort((a, b) => a[1] - b[1]);
  const nodes = [
    element("h3", {}, "Why"),
    element("p", { className: "why" }, verdict.text),
  ];
  if (!rejected.length) return nodes;
  return [...nodes, element("details", {},
    element("summary", {}, `${rejected.length} candidates rejected`),
    element("table", { id: "rejected" },
      element("thead", {}, element("tr", {}, element("th", {}, "candidate"),
        element("th", { className: "number" }, "elements it gets wrong"))),
      element("tbody", {}, ...rejected.map(([name, count]) => element("tr", {},
        element("td", {}, name), element("td", { className: "number" }, thousands(count)))))))];
}

// Which elements are furthest off, and the command that explains one of them.
function worstBlock(layer, explain) {
  const { worst, mode } = layer.detail;
  const command = element("code");
  const copied = element("button", { type: "button", onclick: () => copy(command, copied) }, "Copy");
  const line = ({ index, ours, theirs }) => {
    const place = index.join(",");
    const cell = (value, format) =>
      element("td", { className: "number" }, value === null ? "–" : format(value));
    const pick = element("button", {
      type: "button",
      ariaLabel: `The command that explains element ${place}`,
      onclick: () => show(row, place),
    }, "explain");
    const row = element("tr", {}, element("td", {}, place), cell(ours, short), cell(theirs, short),
      cell(ours === null || theirs === null ? null : ours - theirs, signed),
      ...(explain ? [element("td", { className: "number" }, pick)] : []));
    return row;
  };
  const show = (row, place) => {
    for (const other of row.parentNode.rows) other.removeAttribute("aria-current");
    row.setAttribute("aria-current", "true");
    command.textContent = `${explain} --layer ${layer.op_index} --at ${place}`;
    copied.textContent = "Copy";
  };
  const lines = worst.map(line);
  const heads = ["element", "ours", "theirs", "difference", ...(explain ? [""] : [])];
  const table = element("table", { id: "worst" },
    element("thead", {}, element("tr", {}, ...heads.map((text, place) =>
      element("th", { className: place ? "number" : "" }, text)))),
    element("tbody", {}, ...lines));
  const nodes = [element("h3", {}, `Worst elements, ${mode}`), table];
  if (!explain) return nodes;
  show(lines[0], worst[0].index.join(","));
  return [...nodes, element("p", { className: "explain" }, command, copied)];
}

const short = (value) => String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
const signed = (value) => (value > 0 ? "+" : "") + short(value).replace("-", "−");

function saturationBlock({ mode, saturation }) {
  const line = (label, place) => element("tr", {},
    element("td", {}, `${label} code, ${saturation.codes[place]}`),
    ...[saturation.ours, saturation.theirs].map((counts) =>
      element("td", { className: "number" }, thousands(counts[place]))));
  return [
    element("h3", {}, `Saturation: elements at the ends of the range, ${mode}`),
    element("table", { id: "saturation" },
      element("thead", {}, element("tr", {}, element("th"),
        ...["ours", "theirs"].map((side) => element("th", { className: "number" }, side)))),
      element("tbody", {}, line("lowest", 0), line("highest", 1))),
  ];
}

// What a layer that differs looks like from near: tables, and charts to be started once shown.
function detailBlocks(layer, explain) {
  const { detail } = layer;
  const nodes = worstBlock(layer, explain);
  const starts = [];
  if (detail.heat) {
    const [heading, chart] = chartBlock(`Where in height and width, ${detail.mode}`,
      "Share of elements that differ at each row and column, over all channels");
    chart.classList.add("map");
    nodes.push(heading, chart);
    starts.push(() => heatChart(layer, chart));
  }
  if (detail.fractions) {
    const [heading, chart] = chartBlock("Difference by fraction of accumulator × multiplier, isolated",
      "Fraction of accumulator times multiplier against difference; a rounding mistake is a line at one half");
    nodes.push(heading, chart);
    starts.push(() => fractionChart(detail.fractions, chart));
  }
  if (detail.saturation) nodes.push(...saturationBlock(detail));
  return { nodes, starts };
}

function panelContent(layer, place, total, explain) {
  const starts = [];
  const move = (step, label, text) => element("button", {
    type: "button", ariaLabel: label, title: label, onclick: () => moveBy(step),
  }, text);
  const nodes = [
    element("header", {},
      element("h2", {}, `op ${layer.op_index} ${layer.op}`),
      element("span", { className: "muted" }, `${place + 1} of ${total}`),
      move(-1, "Layer before", "↑"), move(1, "Next layer", "↓"),
      element("button", { type: "button", ariaLabel: "Close", title: "Close", onclick: close }, "×")),
    element("p", { className: "tensor" }, layer.output.name || "unnamed tensor"),
    element("p", { className: `story ${layer.status === "exact" ? "exact" : ""}` }, layer.text),
  ];
  if (layer.verdict) nodes.push(...verdictBlock(layer.verdict));
  if (layer.status === "exact") {
    nodes.push(element("p", { className: "muted" },
      `${thousands(layer.channels)} channels along axis ${layer.channel_axis}, all exact.`));
  }
  if (layer.status === "mismatch") {
    nodes.push(measuresTable(layer));
    if ((layer.isolated ?? layer.chained).histogram.length) {
      const [heading, chart] = chartBlock("Histogram of differences",
        "Number of elements by difference, isolated and chained; histogram.csv holds the numbers");
      nodes.push(heading, chart);
      starts.push(() => histogramChart(layer, chart));
    }
    const channels = channelBlock(layer);
    nodes.push(...channels.nodes);
    starts.push(channels.start);
    if (layer.detail) {
      const near = detailBlocks(layer, explain);
      nodes.push(...near.nodes);
      starts.push(...near.starts);
    }
  }
  nodes.push(element("h3", {}, "Quantization"), tensorsTable(layer));
  if (layer.rule) nodes.push(element("p", { className: "muted" }, `Requantization rule: ${layer.rule}`));
  if (layer.origin) nodes.push(element("p", { className: "muted" }, `Captured tensor: ${layer.origin}`));
  return { nodes, start: () => starts.forEach((run) => run()) };
}

// ---- choosing a layer ------------------------------------------------------------------------

const panel = byId("panel");
let chosen = null;

async function choose(key) {
  const row = rowOf.get(key);
  if (!row || key === chosen) return;
  if (chosen) rowOf.get(chosen).removeAttribute("aria-current");
  chosen = key;
  row.setAttribute("aria-current", "true");
  row.hidden = false;
  const { layers, explain_command: explain } = await report();
  if (chosen !== key) return; // another was chosen meanwhile
  const place = layers.findIndex((layer) => layer.key === key);
  const { nodes, start } = panelContent(layers[place], place, layers.length, explain);
  panel.replaceChildren(...nodes);
  panel.hidden = false;
  panel.scrollTop = 0;
  byId("layers").classList.add("open");
  row.scrollIntoView({ block: "nearest" });
  remember();
  start();
}

function close() {
  if (!chosen) return;
  const row = rowOf.get(chosen);
  row.removeAttribute("aria-current");
  chosen = null;
  panel.hidden = true;
  byId("layers").classList.remove("open");
  row.querySelector("a").focus();
  remember();
}

// The address names the chosen layer. Written late: browsers limit how often it may change.
let pending;
function remember() {
  clearTimeout(pending);
  pending = setTimeout(() => {
    history.replaceState(null, "", chosen ? `#${chosen}` : location.href.split("#")[0]);
  }, 250);
}

function moveBy(step) {
  const visible = rows.filter((row) => !row.hidden);
  const focused = document.activeElement.closest("#table tbody tr");
  const from = visible.indexOf(chosen ? rowOf.get(chosen) : focused);
  const row = visible[Math.min(Math.max(from + step, 0), visible.length - 1)];
  if (!row) return;
  if (!panel.contains(document.activeElement)) row.querySelector("a").focus();
  if (chosen) choose(row.dataset.key);
}

byId("table").tBodies[0].addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (!row || getSelection().toString()) return;
  event.preventDefault();
  row.querySelector("a").focus({ preventScroll: true });
  choose(row.dataset.key);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input, select");
  if (event.key === "Escape") close();
  else if (typing) return;
  else if (event.key === "/") {
    event.preventDefault();
    byId("filters").text.focus();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    if (!chosen && !event.target.closest("#table")) return; // the page scrolls
    event.preventDefault();
    moveBy(event.key === "ArrowDown" ? 1 : -1);
  }
});

addEventListener("hashchange", () => choose(location.hash.slice(1)));

// ---- filters ---------------------------------------------------------------------------------

// Kinds of layers that a choice of status shows, where it is not that kind alone.
const KINDS = { mismatch: ["own", "inherited", "mismatch"] };

function filter() {
  const form = byId("filters");
  const status = form.status.value;
  const kinds = KINDS[status] ?? [status];
  const words = form.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const { kind, op, text } = row.dataset;
    const fits = (status === "all" || kinds.includes(kind)) && (!form.op.value || form.op.value === op) &&
      words.every((word) => text.includes(word));
    row.hidden = !fits;
    shown += fits;
  }
  byId("shown").textContent = `${shown} of ${rows.length} layers`;
  byId("nothing").hidden = shown > 0;
}

byId("filters").addEventListener("input", filter);
byId("filters").addEventListener("submit", (event) => event.preventDefault());

// ---- sorting ---------------------------------------------------------------------------------

// What a cell is sorted by: a number, a text, or null, which always comes last.
function sortKey(row, column, numeric) {
  const cell = row.cells[column];
  if (!numeric) return cell.textContent.trim();
  const value = Number(cell.dataset.value ?? cell.textContent.trim().replaceAll(",", ""));
  return Number.isNaN(value) ? null : value;
}

function sortBy(head) {
  const heads = [...head.parentNode.cells];
  const column = heads.indexOf(head);
  const numeric = head.classList.contains("number");
  // Large numbers are what is looked for; names and positions are read from the first.
  const usual = numeric && column > 0 ? "descending" : "ascending";
  const order = head.ariaSort !== usual ? usual : usual === "ascending" ? "descending" : "ascending";
  const sign = order === "ascending" ? 1 : -1;
  const keys = new Map(rows.map((row) => [row, sortKey(row, column, numeric)]));
  rows.sort((one, other) => {
    const [a, b] = [keys.get(one), keys.get(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (numeric ? a - b : a.localeCompare(b, "en", { numeric: true }));
  });
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  byId("table").tBodies[0].append(...rows);
}

byId("table").tHead.addEventListener("click", (event) => {
  if (event.target.closest("button")) sortBy(event.target.closest("th"));
});

async function copy(node, button) {
  getSelection().selectAllChildren(node);
  try {
    await navigator.clipboard?.writeText(node.textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Selected"; // the browser does not let a page copy
  }
}

byId("copy")?.addEventListener("click", () => copy(byId("command"), byId("copy")));

filter();
if (location.hash) choose(location.hash.slice(1));
if (byId("overview")) setTimeout(drawOverview, 50); // after the page has been painted
