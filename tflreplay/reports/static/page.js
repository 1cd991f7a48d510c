// Every string of a report reaches the page as text (textContent), never as markup.
"use strict";

const byId = (id) => document.getElementById(id);
const thousands = (value) => value.toLocaleString("en-US");
const once = (make) => {
  let made;
  return () => (made ??= make());
};

// A gzipped text out of the page, where it stands in a comment.
async function inflate(id) {
  const raw = atob(byId(id).firstChild.data);
  const bytes = new Uint8Array(raw.length);
  for (let place = 0; place < raw.length; place++) bytes[place] = raw.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

const report = once(async () => JSON.parse(await inflate("data")));

// An element with properties and children; strings become text.
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const short = (value) => String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
const signed = (value) => (value > 0 ? "+" : "") + short(value).replace("-", "−");

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
