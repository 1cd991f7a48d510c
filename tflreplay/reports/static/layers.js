// The table of layers: choosing one opens its panel; filters, sorting, keys.

const rows = [...byId("table").tBodies[0].rows];
const rowOf = new Map(rows.map((row) => [row.dataset.key, row]));
const keys = rows.map((row) => row.dataset.key); // in the order of the model, as the report's layers

const panel = byId("panel");
let chosen = null;

async function choose(key) {
  const row = rowOf.get(key);
  if (!row || key === chosen) return;
  if (chosen) rowOf.get(chosen).removeAttribute("aria-current");
  chosen = key;
  row.setAttribute("aria-current", "true");
  row.hidden = false;
  const found = await report();
  if (chosen !== key) return; // another was chosen meanwhile
  const place = keys.indexOf(key);
  const { nodes, start } = panelContent(found.layers[place], found);
  panel.replaceChildren(...panelHeader(found.layers[place], place, row), ...nodes);
  panel.hidden = false;
  panel.scrollTop = 0;
  byId("layers").classList.add("open");
  // Opened from above the table, the panel would begin low on the screen.
  if (panel.getBoundingClientRect().top > innerHeight / 3) byId("layers").scrollIntoView();
  row.scrollIntoView({ block: "nearest" });
  remember();
  start();
}

function panelHeader(layer, place, row) {
  const button = (text, label, onclick) =>
    element("button", { type: "button", ariaLabel: label, title: label, onclick }, text);
  return [
    element("header", {},
      element("h2", {}, `op ${layer.op_index} ${layer.op}`),
      element("span", { className: "muted" }, `${place + 1} of ${keys.length}`),
      button("↑", "Layer before", () => moveBy(-1)), button("↓", "Next layer", () => moveBy(1)),
      button("×", "Close", close)),
    element("p", { className: "tensor" }, row.querySelector(".name").title || "unnamed tensor"),
  ];
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
const KINDS = { mismatch: ["own", "at-or-before", "inherited", "mismatch"] };

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
  const values = new Map(rows.map((row) => [row, sortKey(row, column, numeric)]));
  rows.sort((one, other) => {
    const [a, b] = [values.get(one), values.get(other)];
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
