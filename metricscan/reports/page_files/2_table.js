// The columns of jobs, and the table of the ranking: sorted, filtered, a page of rows at a time.
const ROWS_OF_PAGE = 25;
const LONGEST_NAME = 34;
let columns = [];
let shownJobs = []; // the jobs that pass the filters, in the order of the table

function jobColumns() {
  const jobs = data.jobs;
  const found = [];
  const add = (key, label, kind, get, more = {}) => found.push({ key, label, kind, get, ...more });
  const packedColumn = (values) => (at) => (values[at] === null ? null : numberOf(values[at]));
  if (data.objective) {
    add("rank", "rank", "number", (at) => jobs.rank[at], {
      show: (at) => (jobs.rank[at] === null ? "" : jobs.rank[at] + (jobs.tied[at] > 1 ? "=" : "")),
    });
  }
  add("job", "job", "text", (at) => jobs.name[at]);
  if (data.objective) {
    add("value", data.objective.metric, "number", packedColumn(jobs.value), { show: (at) => exact(jobs.value[at]) });
    if (jobs.step) {
      add("step", data.step_name, "number", packedColumn(jobs.step), { show: (at) => exact(jobs.step[at]) });
    }
    if (jobs.doubts.texts.length) {
      add("doubts", "doubts", "text", (at) => coded(jobs.doubts, at), { column: jobs.doubts, isDoubt: true });
    }
  }
  data.parameters.forEach((one, number) => {
    const texts = one.is_number ? one.texts.map(Number) : one.texts;
    add("parameter " + number, one.name, one.is_number ? "number" : "text", (at) => (one.codes[at] < 0 ? null : texts[one.codes[at]]), {
      show: (at) => coded(one, at) ?? "",
      brief: one.is_number ? firstDigits : null,
      isParameter: true,
      column: one,
      group: "hyperparameters",
    });
  });
  data.others.forEach((one, number) => {
    if (one.value.every((value) => value === null)) return;
    add("other " + number, one.metric, "number", packedColumn(one.value), { show: (at) => exact(one.value[at]), group: "other metrics" + (data.objective?.step ? " at that " + data.objective.step : " there") });
  });
  if (jobs.job_status.texts.length) add("job status", "job status", "text", (at) => coded(jobs.job_status, at), { column: jobs.job_status });
  if (data.objective) {
    if (jobs.status.texts.some((text) => text !== "found")) {
      add("status", "value is", "text", (at) => coded(jobs.status, at), { column: jobs.status });
    }
    add("rows", "values", "number", (at) => jobs.rows[at], {
      show: (at) => GROUPED.format(jobs.rows[at]) + (jobs.not_finite[at] ? " (" + GROUPED.format(jobs.not_finite[at]) + " not finite)" : ""),
    });
  }
  return found;
}

// A number that was drawn at random has 17 digits: the first of its fraction, and its power of ten. Where it is pointed at, all are shown.
const MOST_DIGITS = 6;
function firstDigits(text) {
  const found = text.match(/^([+-]?\d*\.0*)(\d+)((?:[eE][+-]?\d+)?)$/);
  if (!found || found[2].length <= MOST_DIGITS + 2) return text;
  return found[1] + found[2].slice(0, MOST_DIGITS) + "…" + found[3];
}

// Reads a filter: > < >= <= = with a number, A..B, or a part of a text. Returns null if it is none.
function filterOf(text, kind) {
  const wanted = text.trim();
  if (kind === "text") {
    if (wanted.startsWith("=")) {
      const whole = wanted.slice(1).trim();
      return (value) => value === whole;
    }
    const part = wanted.toLowerCase();
    return (value) => value !== null && value.toLowerCase().includes(part);
  }
  const number = "([+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?)";
  const range = wanted.match(new RegExp("^" + number + "\\s*\\.\\.\\s*" + number + "$"));
  if (range) {
    const [low, high] = [Number(range[1]), Number(range[2])];
    return (value) => value !== null && value >= low && value <= high;
  }
  const compared = wanted.match(new RegExp("^(>=|<=|>|<|=)?\\s*" + number + "$"));
  if (!compared) return null;
  const bound = Number(compared[2]);
  const compare = {
    ">": (value) => value > bound,
    "<": (value) => value < bound,
    ">=": (value) => value >= bound,
    "<=": (value) => value <= bound,
    "=": (value) => value === bound,
  }[compared[1] || "="];
  return (value) => value !== null && compare(value);
}

function selectJobs() {
  const count = data.jobs.listed;
  let chosen = Array.from({ length: count }, (_, at) => at);
  for (const column of columns) {
    const text = state.filters.get(column.key);
    if (!text || !text.trim()) continue;
    const passes = filterOf(text, column.kind);
    if (passes) chosen = chosen.filter((at) => passes(column.get(at)));
  }
  const search = state.search.trim().toLowerCase();
  if (search) {
    const texts = columns.filter((one) => one.kind === "text" || one.isParameter);
    chosen = chosen.filter((at) => texts.some((one) => String(one.show ? one.show(at) : one.get(at) ?? "").toLowerCase().includes(search)));
  }
  const column = columns.find((one) => one.key === state.sort.key);
  if (column) sortJobs(chosen, column);
  shownJobs = chosen;
}

function sortJobs(chosen, column) {
  const sign = state.sort.descending ? -1 : 1;
  let key = column.get;
  if (column.kind === "text") {
    // each distinct text is compared once
    const collator = new Intl.Collator("en", { numeric: true });
    const distinct = [...new Set(chosen.map(column.get))].filter((one) => one !== null);
    distinct.sort(distinct.length > 20000 ? undefined : collator.compare);
    const order = new Map(distinct.map((text, at) => [text, at]));
    key = (at) => order.get(column.get(at)) ?? null;
  }
  const keys = new Map(chosen.map((at) => [at, key(at)]));
  const isLast = (value) => value === null || value === undefined || Number.isNaN(value);
  chosen.sort((one, other) => {
    const [a, b] = [keys.get(one), keys.get(other)];
    // what has no value comes last, in either direction
    if (isLast(a) || isLast(b)) return isLast(a) - isLast(b) || one - other;
    return a < b ? -sign : a > b ? sign : one - other;
  });
}

const table = { head: null, body: null, pager: null, marked: null };

function buildTable() {
  columns = jobColumns();
  if (data.kind === "plot") return;
  const body = section("ranking");
  const heading = document.getElementById("ranking-heading");
  heading.textContent = data.objective ? "Ranking" : "Jobs";
  if (!data.jobs.count) {
    fill(body, make("p", { class: "empty" }, "There are no jobs."), data.notes.map((note) => make("p", { class: "hint" }, note)));
    return;
  }
  const search = make("input", {
    type: "search", placeholder: "any text", "aria-label": "Find jobs by any text", value: state.search,
    oninput: (event) => choose(() => (state.search = event.target.value)),
  });
  const controls = make("div", { class: "controls" },
    make("label", {}, "Find", search),
    make("button", { type: "button", onclick: clearFilters }, "Clear filters"),
    make("span", { class: "soft" }, "Filters take text, or > < = with a number, or 0.1..0.5"));
  table.head = make("thead");
  table.body = make("tbody");
  const grid = make("table", { class: "ranking" }, make("caption", { class: "visually-hidden" }, "The jobs, one per row"), table.head, table.body);
  table.pager = make("div", { class: "pager" });
  table.marked = make("div", { class: "marked" });
  fill(body, controls, make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of jobs" }, grid), table.pager, table.marked,
    data.notes.map((note) => make("p", { class: "hint" }, note)));
  drawHead();
}

function clearFilters() {
  state.search = "";
  state.filters.clear();
  state.page = 0;
  selectJobs();
  buildTable();
  changed("jobs");
}

function choose(change) {
  change();
  state.page = 0;
  selectJobs();
  changed("jobs");
}

function drawHead() {
  const cells = [make("th", { scope: "col" }, make("span", { class: "visually-hidden" }, "marked"))];
  for (const column of columns) {
    const cell = make("th", { scope: "col", class: column.kind === "number" ? "number" : null });
    const button = make("button", { type: "button", class: "sort", title: column.label, onclick: () => sortBy(column) }, shortened(column.label, 28));
    const input = make("input", { type: "text", class: "filter", "aria-label": "Filter by " + column.label, value: state.filters.get(column.key) ?? "" });
    input.addEventListener("input", () => {
      const text = input.value;
      const isWrong = text.trim() !== "" && filterOf(text, column.kind) === null;
      if (isWrong) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      choose(() => state.filters.set(column.key, text));
    });
    column.cell = cell;
    column.input = input;
    cell.append(button, input);
    cells.push(cell);
  }
  fill(table.head, groupHeads(), make("tr", {}, cells));
  showSort();
}

// A row above the heads that says which columns are hyperparameters, and which are other metrics.
function groupHeads() {
  if (!columns.some((one) => one.group)) return null;
  const cells = [make("td", {})];
  for (let at = 0; at < columns.length; ) {
    let end = at + 1;
    while (end < columns.length && columns[end].group === columns[at].group) end += 1;
    const { group } = columns[at];
    cells.push(make(group ? "th" : "td", { colspan: end - at, scope: group ? "colgroup" : null, class: group ? "group" : null }, group ?? ""));
    at = end;
  }
  return make("tr", { class: "groups" }, cells);
}

function showSort() {
  for (const column of columns) {
    if (column.key === state.sort.key) column.cell.setAttribute("aria-sort", state.sort.descending ? "descending" : "ascending");
    else column.cell.removeAttribute("aria-sort");
  }
}

function sortBy(column) {
  const { key, descending } = state.sort;
  // ascending, descending, then the order of the ranking again
  if (key !== column.key) state.sort = { key: column.key, descending: false };
  else state.sort = descending ? { key: null, descending: false } : { key, descending: true };
  state.page = 0;
  selectJobs();
  // the curves are those of the same jobs
  changed("order");
  showSort();
  say(state.sort.key ? "sorted by " + column.label + (state.sort.descending ? ", descending" : ", ascending") : "in the order of the ranking");
}

function drawRows() {
  if (!table.body || !data.jobs.count) return;
  const pages = Math.max(Math.ceil(shownJobs.length / ROWS_OF_PAGE), 1);
  state.page = Math.min(state.page, pages - 1);
  const first = state.page * ROWS_OF_PAGE;
  const rows = shownJobs.slice(first, first + ROWS_OF_PAGE).map(rowOf);
  if (!rows.length) rows.push(make("tr", {}, make("td", { colspan: columns.length + 1, class: "empty" }, "No job passes the filters.")));
  fill(table.body, rows);
  const turn = (by) => () => {
    state.page += by;
    drawRows();
    say("page " + (state.page + 1) + " of " + pages);
  };
  const of = shownJobs.length === data.jobs.listed ? "" : " of " + GROUPED.format(data.jobs.listed);
  const label = shownJobs.length ? `${GROUPED.format(first + 1)} to ${GROUPED.format(first + rows.length)} of ${counted(shownJobs.length, "job")}` : "no job";
  fill(table.pager,
    make("button", { type: "button", disabled: state.page === 0, onclick: turn(-1) }, "Previous"),
    make("button", { type: "button", disabled: state.page >= pages - 1, onclick: turn(1) }, "Next"),
    make("span", {}, label + (of ? " that pass the filters" + of.replace(" of", ", of") : "")),
    make("span", { class: "grow" }),
    make("span", { class: "soft" }, "Mark up to " + MOST_MARKED + " jobs to see them in colour."));
}

function rowOf(at) {
  const name = data.jobs.name[at];
  const box = make("input", { type: "checkbox", "aria-label": "Mark " + name });
  box.checked = isMarked(name);
  if (box.checked) box.style.accentColor = markColour(name);
  box.addEventListener("change", () => toggleMark(name));
  const cells = [make("td", {}, box)];
  for (const column of columns) {
    const text = column.show ? column.show(at) : exact(column.get(at));
    if (column.key === "job") cells.push(make("th", { scope: "row", class: "name", title: name }, shortened(text, LONGEST_NAME)));
    else {
      const shown = column.brief ? column.brief(text) : text;
      cells.push(make("td", { class: column.kind === "number" ? "number" : column.isDoubt ? "doubt" : null, title: shown !== text || text.length > 40 ? text : null }, shortened(shown, 40)));
    }
  }
  return make("tr", { class: data.jobs.rank[at] === 1 ? "best" : null }, cells);
}

function drawMarked() {
  if (!table.marked) return;
  const places = new Map(data.jobs.name.map((name, at) => [name, at]));
  fill(table.marked, state.marked.filter((name) => places.has(name)).map((name) => markedJob(name, places.get(name))));
}

function markedJob(name, at) {
  const swatch = make("span", { class: "swatch" });
  swatch.style.background = markColour(name);
  const facts = make("dl", { class: "facts" });
  for (const column of columns) {
    const text = column.show ? column.show(at) : exact(column.get(at));
    if (column.key !== "job" && text !== "") facts.append(make("dt", {}, column.label), make("dd", {}, text));
  }
  const stream = coded(data.jobs.stream, at);
  if (stream !== null) facts.append(make("dt", {}, "place"), make("dd", {}, breakable(stream + ":" + data.jobs.line[at])));
  const doubts = data.doubts.of.filter((one) => one.job === at);
  const meanings = new Map(data.doubts.kinds.map((one) => [one.kind, one.meaning]));
  return make("article", {},
    make("h3", {}, swatch, name), facts,
    doubts.map((one) => make("p", { class: "warning" }, make("b", {}, one.kind), ": " + one.message + ". " + (meanings.get(one.kind) ?? ""))),
    make("p", { class: "hint" }, make("button", { type: "button", onclick: () => toggleMark(name) }, "Unmark")));
}

listeners.push((what) => {
  if (what.has("data")) {
    buildTable();
    selectJobs();
  }
  if (what.has("data") || what.has("jobs") || what.has("order") || what.has("marked")) drawRows();
  if (what.has("data") || what.has("marked")) drawMarked();
});
