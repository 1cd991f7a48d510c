// The charts of one layer.

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
  const modes = MODES.filter((mode) => layer[mode]);
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
