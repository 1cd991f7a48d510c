// What the panel of one layer holds.

const MODES = ["isolated", "stretch", "chained"];

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
  const modes = MODES.filter((mode) => layer[mode]);
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

function channelBlock(layer) {
  const modes = MODES.filter((mode) => layer[mode]?.by_channel);
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

const FEW = 5; // lines of evidence that are shown at once

// What explains the output, and the evidence: in how many elements each candidate differs from it.
function verdictBlock(verdict) {
  const fitting = verdict.fits.map(({ arithmetic, mistakes }) =>
    [mistakes.length ? `${arithmetic}, ${mistakes.join(" and ")}` : arithmetic, 0]);
  const lines = [...fitting, ...Object.entries(verdict.contradicted).sort((a, b) => a[1] - b[1])]
    .map(([name, wrong]) => element("tr", { className: wrong ? "" : "exact" },
      element("td", {}, element("span", { className: "mark", ariaHidden: "true" }), name),
      element("td", { className: "number" }, thousands(wrong))));
  const rest = lines.slice(FEW);
  for (const line of rest) line.hidden = true;
  const more = element("button", { type: "button", onclick: () => {
    for (const line of rest) line.hidden = false;
    more.remove();
  } }, `${rest.length} more`);
  return [
    element("h3", {}, "Why"),
    element("p", { className: "why" }, verdict.text),
    element("table", { id: "evidence" },
      element("thead", {}, element("tr", {}, element("th", {}, "candidate"),
        element("th", { className: "number" }, `differs in, of ${thousands(verdict.elements)}`))),
      element("tbody", {}, ...lines)),
    ...(rest.length ? [element("p", {}, more)] : []),
  ];
}

// What this side's numbers are called: the replay's, or those of the reader's own kernel.
const whose = (layer) => (layer.user_kernel ? "yours" : "ours");

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
  const heads = ["element", whose(layer), "theirs", "difference", ...(explain ? [""] : [])];
  const table = element("table", { id: "worst" },
    element("thead", {}, element("tr", {}, ...heads.map((text, place) =>
      element("th", { className: place ? "number" : "" }, text)))),
    element("tbody", {}, ...lines));
  const of = layer.detail.input ? `, of ${layer.detail.input}` : "";
  const nodes = [element("h3", {}, `Worst elements, ${mode}${of}`), table];
  if (!explain) return nodes;
  show(lines[0], worst[0].index.join(","));
  return [...nodes, element("p", { className: "explain" }, command, copied)];
}

function saturationBlock(layer) {
  const { mode, saturation } = layer.detail;
  const line = (label, place) => element("tr", {},
    element("td", {}, `${label} code, ${saturation.codes[place]}`),
    ...[saturation.ours, saturation.theirs].map((counts) =>
      element("td", { className: "number" }, thousands(counts[place]))));
  return [
    element("h3", {}, `Saturation: elements at the ends of the range, ${mode}`),
    element("table", { id: "saturation" },
      element("thead", {}, element("tr", {}, element("th"),
        ...[whose(layer), "theirs"].map((side) => element("th", { className: "number" }, side)))),
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
  if (detail.saturation) nodes.push(...saturationBlock(layer));
  return { nodes, starts };
}

function panelContent(layer, { explain_command: explain }) {
  const starts = [];
  const nodes = [
    element("p", { className: `story ${layer.status === "exact" ? "exact" : ""}` }, layer.text),
  ];
  if (layer.verdict) nodes.push(...verdictBlock(layer.verdict));
  if (layer.stretch_verdict) {
    nodes.push(element("h3", {}, "Why"),
      element("p", { className: "why" }, layer.stretch_verdict.text));
  }
  if (layer.status === "exact") {
    nodes.push(element("p", { className: "muted" },
      `${thousands(layer.channels)} channels along axis ${layer.channel_axis}, all exact.`));
  }
  if (layer.status === "mismatch") {
    nodes.push(measuresTable(layer));
    if (MODES.some((mode) => layer[mode]?.histogram.length)) {
      const [heading, chart] = chartBlock("Histogram of differences",
        "Number of elements by difference, by comparison; histogram.csv holds the numbers");
      nodes.push(heading, chart);
      starts.push(() => histogramChart(layer, chart));
    }
    const channels = channelBlock(layer);
    nodes.push(...channels.nodes);
    starts.push(channels.start);
    if (layer.detail) {
      const near = detailBlocks(layer, layer.detail.explain_command || explain);
      nodes.push(...near.nodes);
      starts.push(...near.starts);
    }
  }
  nodes.push(element("h3", {}, "Quantization"), tensorsTable(layer));
  if (layer.rule) nodes.push(element("p", { className: "muted" }, `Arithmetic: ${layer.rule}`));
  if (layer.origin) nodes.push(element("p", { className: "muted" }, `Captured tensor: ${layer.origin}`));
  return { nodes, start: () => starts.forEach((run) => run()) };
}
