// The page's only script. What comes from elsewhere is shown through textContent, never as HTML.

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const MAX_ROWS = 200;
const MAX_BARS = 12;

document.documentElement.classList.add("live");
for (const section of document.querySelectorAll("section.method")) start(section);
startTabs();

function start(section) {
  const form = section.querySelector("form");
  const fields = form.querySelector(".fields");
  const json = form.querySelector(".json");
  const state = {
    section, form, fields, json,
    text: json?.querySelector("textarea"),
    classes: JSON.parse(section.dataset.classes),
    path: "/" + encodeURIComponent(section.dataset.method),
    mode: fields ? "form" : "json",
  };
  for (const button of form.querySelectorAll("[data-mode]")) {
    button.addEventListener("click", () => setMode(state, button.dataset.mode));
  }
  for (const slide of form.querySelectorAll(".slide")) {
    const number = slide.parentElement.querySelector("[data-kind=number]");
    slide.addEventListener("input", () => {
      const digits = decimals(number.defaultValue);
      number.value = Number(slide.value).toFixed(number.step === "1" ? 0 : digits);
      number.dispatchEvent(new Event("input", { bubbles: true }));
    });
    number.addEventListener("input", () => { slide.value = number.value; });
  }
  for (const figure of section.querySelectorAll(".snippet")) startCopy(figure);
  form.addEventListener("input", () => { forgive(state); refreshSnippets(state); });
  form.addEventListener("submit", (event) => { event.preventDefault(); predict(state); });
  refreshSnippets(state);
}

function decimals(text) {
  return Math.max(2, (text.split(".")[1] ?? "").length);
}

function setMode(state, mode) {
  if (mode === state.mode) return;
  if (mode === "json") {
    try { state.text.value = bodyText(state); } catch { /* the example stays */ }
  }
  state.mode = mode;
  state.fields.hidden = mode !== "form";
  state.json.hidden = mode !== "json";
  for (const button of state.form.querySelectorAll("[data-mode]")) {
    button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
  }
  forgive(state);
  refreshSnippets(state);
}

// --- what is sent ---------------------------------------------------------------------------------------------

/** An input that cannot be sent, and why. */
class Unfit extends Error {
  constructor(control, message) { super(message); this.control = control; }
}

/** The body as text: numbers keep all the digits that were typed. */
function bodyText(state) {
  if (state.mode === "json") return state.text.value;
  const parts = [];
  for (const set of state.fields.querySelectorAll("fieldset")) {
    const value = argumentText(set);
    if (value !== null) parts.push(`${JSON.stringify(set.dataset.argument)}: ${value}`);
  }
  return `{${parts.join(", ")}}`;
}

function argumentText(set) {
  const controls = [...set.querySelectorAll("[data-kind]")];
  if ("optional" in set.dataset && controls.every((control) => control.value === "")) return null;
  const values = controls.map(literal);
  const pairs = () => controls.map((control, i) => `${JSON.stringify(control.dataset.key)}: ${values[i]}`);
  switch (set.dataset.layout) {
    case "row": return `[[${values.join(", ")}]]`;
    case "table": return `{"values": [{${pairs().join(", ")}}]}`;
    case "records": return `[{${pairs().join(", ")}}]`;
    case "object": return `{${pairs().join(", ")}}`;
    default: return values[0];
  }
}

function literal(control) {
  const { kind } = control.dataset;
  const text = control.value;
  if (kind === "choice") return text;
  if (kind === "text") return text === "" && "missing" in control.dataset ? "null" : JSON.stringify(text);
  if (control.validity.badInput) throw new Unfit(control, "This is not a number.");
  if (text.trim() === "") {
    if ("missing" in control.dataset) return "null";
    throw new Unfit(control, "A number is needed here.");
  }
  return NUMBER.test(text) ? text : String(Number(text));
}

function requestOf(state) {
  const file = state.form.querySelector("[data-kind=file]");
  if (!file) return { method: "POST", body: bodyText(state) };
  if (!file.files.length) throw new Unfit(file, "Choose a file.");
  const body = new FormData();
  body.append("file", file.files[0]);
  return { method: "POST", body };
}

// --- asking and showing ---------------------------------------------------------------------------------------

async function predict(state) {
  forgive(state);
  const button = state.form.querySelector(".go");
  const took = state.form.querySelector(".took");
  button.disabled = true;
  took.textContent = "";
  try {
    const request = requestOf(state);
    const begun = performance.now();
    const response = await fetch(state.path, request);
    const answer = await contentOf(response);
    const elapsed = performance.now() - begun;
    if (!response.ok) return blame(state, answer);
    took.textContent = `${elapsed < 10 ? elapsed.toFixed(1) : Math.round(elapsed)} ms`;
    show(state, answer, await probabilitiesBeside(state, request));
  } catch (error) {
    blame(state, error instanceof Unfit
      ? { error: error.message, control: error.control }
      : { error: "The server did not answer.", hint: String(error.message ?? error) });
  } finally {
    button.disabled = false;
  }
}

async function contentOf(response) {
  const kind = response.headers.get("content-type") ?? "";
  if (kind.includes("json")) return response.json();
  return response.ok ? response.blob() : { error: await response.text() };
}

/** For a class, how sure the model is of it and of the others. */
async function probabilitiesBeside(state, request) {
  const { also } = state.section.dataset;
  if (!also) return null;
  try {
    const response = await fetch("/" + encodeURIComponent(also), request);
    return response.ok ? await response.json() : null;
  } catch { return null; }
}

function show(state, answer, probabilities) {
  const result = state.section.querySelector(".result");
  const parts = [];
  if (answer instanceof Blob) {
    parts.push(download(answer));
  } else {
    const beside = isTable(probabilities) && probabilities.length === answer?.length ? probabilities : null;
    if (beside && answer.length > 1 && answer.every(isScalar)) {
      const heads = ["answer", ...beside[0].map((_, i) => name(state.classes, i))];
      parts.push(table(answer.map((label, row) => [label, ...beside[row]]), heads));
    } else {
      parts.push(...shown(answer, state.classes));
      if (beside) parts.push(...shownRows(beside, state.classes));
    }
    parts.push(raw(answer));
  }
  result.replaceChildren(...parts);
}

function shown(answer, classes) {
  const rows = Array.isArray(answer) ? answer : answer?.values ?? answer;
  if (!Array.isArray(rows)) return [typeof rows === "object" && rows !== null ? table([rows]) : label(rows)];
  if (rows.length === 1 && isScalar(rows[0])) return [label(rows[0])];
  if (isTable(rows)) return shownRows(rows, classes);
  if (rows.every(isScalar) || rows.every(isRecord)) return [table(rows)];
  return [];
}

/** Rows of numbers: bars where they are shares of one, else a table. */
function shownRows(rows, classes) {
  const shares = rows[0].length > 1 && rows.every((row) => {
    const sum = row.reduce((total, share) => total + share, 0);
    return Math.abs(sum - 1) < 1e-3 && row.every((share) => share >= 0);
  });
  if (!shares) return rows[0].length === 1 && rows.length === 1 ? [label(rows[0][0])] : [table(rows)];
  if (rows.length === 1) return [bars(rows[0], classes)];
  return [table(rows, rows[0].map((_, i) => name(classes, i)))];
}

const isScalar = (value) => value === null || typeof value !== "object";
const isRecord = (value) => !isScalar(value) && !Array.isArray(value) && Object.values(value).every(isScalar);
const isTable = (rows) => Array.isArray(rows) && rows.length > 0 && rows.every((row) =>
  Array.isArray(row) && row.length === rows[0].length && row.length > 0 && row.every((cell) => typeof cell === "number"));
const name = (classes, index) => String(classes[index] ?? index);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function label(value) {
  return element("p", "label", value === null ? "missing" : String(value));
}

function bars(shares, classes) {
  const list = element("ul", "bars");
  const best = shares.indexOf(Math.max(...shares));
  let order = shares.map((_, index) => index);
  if (order.length > MAX_BARS) order = order.sort((a, b) => shares[b] - shares[a]).slice(0, MAX_BARS);
  for (const index of order) {
    const item = element("li", index === best ? "best" : "");
    const line = element("div", "name");
    line.append(element("b", "", name(classes, index)), element("span", "", percent(shares[index])));
    const track = element("div", "track");
    const fill = element("div", "fill");
    fill.style.width = "0";
    requestAnimationFrame(() => requestAnimationFrame(() => { fill.style.width = `${shares[index] * 100}%`; }));
    track.append(fill);
    item.append(line, track);
    list.append(item);
  }
  return list;
}

function percent(share) {
  const text = (share * 100).toFixed(share > 0 && share < 0.001 ? 4 : 1);
  return `${text} %`;
}

function table(rows, heads) {
  const records = rows.every(isRecord) && !rows.every(isScalar);
  heads ??= records ? Object.keys(rows[0]) : isScalar(rows[0]) ? ["answer"] : rows[0].map((_, i) => String(i));
  const made = element("table");
  const head = element("tr");
  head.append(element("th", "number", "row"), ...heads.map((text) => column("th", text)));
  made.append(element("thead"), element("tbody"));
  made.tHead.append(head);
  rows.slice(0, MAX_ROWS).forEach((row, index) => {
    const cells = records ? heads.map((key) => row[key]) : isScalar(row) ? [row] : row;
    const line = element("tr");
    line.append(element("td", "number", String(index)), ...cells.map((cell) =>
      element("td", typeof cell === "number" ? "number" : "", short(cell))));
    made.tBodies[0].append(line);
  });
  const frame = element("div", "scroll");
  frame.tabIndex = 0;
  frame.append(made);
  if (rows.length <= MAX_ROWS) return frame;
  const both = element("div");
  both.append(element("p", "sub", `the first ${MAX_ROWS} of ${rows.length} rows`), frame);
  return both;
}

/** A cell to look at; all digits are in the JSON below. */
function short(cell) {
  if (cell === null || cell === undefined) return "–";
  return typeof cell === "number" && !Number.isInteger(cell) ? String(Number(cell.toPrecision(5))) : String(cell);
}

function column(tag, text) {
  const made = element(tag, "", text);
  made.scope = "col";
  return made;
}

function raw(answer) {
  const text = JSON.stringify(answer, null, 1);
  const details = element("details");
  details.append(element("summary", "", "JSON"));
  const pre = element("pre");
  pre.tabIndex = 0;
  pre.append(element("code", "", text.length > 100000 ? text.slice(0, 100000) + " …" : text));
  details.append(pre);
  details.open = isScalar(answer) === false && shown(answer, []).length === 0;
  return details;
}

function download(blob) {
  const link = element("a", "", `Download the answer (${blob.size} bytes)`);
  link.href = URL.createObjectURL(blob);
  link.download = "answer";
  return link;
}

// --- errors ---------------------------------------------------------------------------------------------------

function blame(state, { error, hint, field, control }) {
  const message = [error ?? "The server gave no reason.", hint].filter(Boolean).join("\n");
  control ??= field && [...state.form.querySelectorAll("[data-place]")].find((one) => one.dataset.place === field);
  if (control && state.mode === "form") {
    const said = control.closest(".field").querySelector(".said");
    said.textContent = message;
    said.hidden = false;
    control.setAttribute("aria-invalid", "true");
    control.focus();
    return;
  }
  const problem = state.form.querySelector(".problem");
  problem.textContent = field ? `${field}: ${message}` : message;
  problem.hidden = false;
}

function forgive(state) {
  state.form.querySelector(".problem").hidden = true;
  for (const said of state.form.querySelectorAll(".said")) said.hidden = true;
  for (const control of state.form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

// --- snippets and tabs ----------------------------------------------------------------------------------------

function refreshSnippets(state) {
  if (state.form.querySelector("[data-kind=file]")) return;
  let body;
  try { body = bodyText(state); } catch { return; }
  const url = location.origin + state.path;
  const texts = {
    curl: `curl ${url} -d '${body.replaceAll("'", "'\\''")}'`,
    Python: `import json, urllib.request\n\nbody = ${pythonText(body)}\n`
      + `answer = urllib.request.urlopen(${JSON.stringify(url)}, body.encode())\nprint(json.load(answer))`,
  };
  for (const figure of state.section.querySelectorAll(".snippet")) {
    figure.querySelector("code").textContent = texts[figure.dataset.language];
  }
}

function pythonText(text) {
  return /['\\\n\r]/.test(text) ? JSON.stringify(text) : `'${text}'`;
}

function startCopy(figure) {
  const button = figure.querySelector(".copy");
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(figure.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}

function startTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  if (tabs.length === 0) return;
  const select = (tab, focus) => {
    for (const one of tabs) {
      const selected = one === tab;
      one.setAttribute("aria-selected", String(selected));
      one.tabIndex = selected ? 0 : -1;
      document.getElementById(one.getAttribute("aria-controls")).hidden = !selected;
    }
    if (focus) tab.focus();
  };
  tabs.forEach((tab, index) => {
    const panel = document.getElementById(tab.getAttribute("aria-controls"));
    panel.setAttribute("role", "tabpanel");
    tab.addEventListener("click", (event) => {
      event.preventDefault();
      history.replaceState(null, "", tab.hash);
      select(tab, false);
    });
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) select(tabs[(index + step + tabs.length) % tabs.length], true);
    });
  });
  select(tabs.find((tab) => tab.hash === location.hash) ?? tabs[0], false);
}
