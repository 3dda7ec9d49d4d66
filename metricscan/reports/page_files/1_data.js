// The data of the page, and how it is read. Every name is put on the page as text, never as markup.
const LIVE_EVERY_MS = 2000;
let data = JSON.parse(document.getElementById("data").textContent);

// What a reader could not see, or what would turn the text around it, is spelled out.
const UNSEEN = /[\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function spelled(text) {
  return String(text).replace(UNSEEN, (one) => {
    const code = one.charCodeAt(0);
    if (one === "\n") return "\\n";
    if (one === "\t") return "\\t";
    // a byte of a name that is not UTF-8
    if (code >= 0xdc80 && code <= 0xdcff) return "\\x" + (code - 0xdc00).toString(16);
    return "\\u" + code.toString(16).padStart(4, "0");
  });
}

function shortened(text, most) {
  const shown = [...spelled(text)];
  if (shown.length <= most) return shown.join("");
  const half = Math.floor((most - 1) / 2);
  return shown.slice(0, half).join("") + "…" + shown.slice(-half).join("");
}

// Makes an element: make("td", {class: "number"}, "text", child, ..). Texts become text nodes.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : spelled(value));
  }
  for (const child of children.flat(2)) {
    if (child === null || child === undefined) continue;
    element.append(child instanceof Node ? child : document.createTextNode(spelled(child)));
  }
  return element;
}

// A long name with places where it may be broken.
function breakable(text) {
  return spelled(text).split(/(?<=[,/_:;])/).flatMap((part, at) => (at ? [document.createElement("wbr"), document.createTextNode(part)] : [document.createTextNode(part)]));
}

function fill(element, ...children) {
  element.replaceChildren(...children.flat(2).filter((one) => one !== null && one !== undefined));
}

// A packed number: NaN and the infinities are spelled as words.
function numberOf(packed) {
  return typeof packed === "string" ? { NaN: NaN, Infinity, "-Infinity": -Infinity }[packed] : packed;
}

function unpacked(column, starts) {
  if (!column) return null;
  if (column.by === undefined) return Float64Array.from(column.values, (one) => (one === null ? NaN : numberOf(one)));
  const found = new Float64Array(column.values.length);
  const begins = new Set(starts);
  let total = 0;
  column.values.forEach((one, at) => {
    total = begins.has(at) ? one : total + one;
    found[at] = total * column.by;
  });
  return found;
}

// The shortest text that is read as the same number.
function exact(value) {
  if (value === null || value === undefined) return "";
  if (Object.is(value, -0)) return "-0";
  return typeof value === "string" ? value : String(value);
}

const GROUPED = new Intl.NumberFormat("en-US", { maximumFractionDigits: 20 });
function counted(count, noun) {
  return GROUPED.format(count) + " " + noun + (count === 1 ? "" : "s");
}

function sizeText(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let size = bytes;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return (unit ? size.toFixed(1) : String(size)) + " " + units[unit];
}

function coded(column, at) {
  const code = column.codes[at];
  return code < 0 ? null : column.texts[code];
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

function say(text) {
  document.getElementById("status").textContent = spelled(text);
}

function section(name) {
  const element = document.getElementById(name);
  element.hidden = false;
  return element.querySelector(".body");
}

// What the reader chose; it outlives new data of a page that is served live.
const state = {
  sort: { key: null, descending: false },
  filters: new Map(),
  search: "",
  page: 0,
  marked: [], // names of jobs
  metrics: null, // names; null: not chosen yet
  axis: null,
  logValues: false,
  logAxis: false,
  top: 0, // how many of the first jobs stand out; 0: the best alone
  logs: new Map(), // of the axes of hyperparameters, by key
};
const MOST_MARKED = 6;
const listeners = [];

// Tells all parts of the page that the choice has changed.
function changed(...what) {
  for (const listener of listeners) listener(new Set(what));
}

// What takes long is drawn behind the next frame, once, however often it is asked for meanwhile.
const waiting = new Set();
function later(draw) {
  document.documentElement.dataset.drawn = "no";
  if (!waiting.size) {
    requestAnimationFrame(() => setTimeout(() => {
      const draws = [...waiting];
      waiting.clear();
      for (const one of draws) one();
      if (!picture.isComing) document.documentElement.dataset.drawn = "yes";
    }));
  }
  waiting.add(draw);
}

function isMarked(name) {
  return state.marked.includes(name);
}

function toggleMark(name) {
  if (isMarked(name)) state.marked = state.marked.filter((one) => one !== name);
  else state.marked = [...state.marked, name].slice(-MOST_MARKED);
  changed("marked");
}

function markColour(name) {
  return colour("mark-" + (state.marked.indexOf(name) + 1));
}
