/** Draws the last two minutes of a model, once a second. */
const SECONDS = 120;
const WIDTH = 480;
const HEIGHT = 140;
const LEFT = 44;
/** From the first exit to the last: light to dark, told apart without colours, too. */
const SHADES = ["#9ecae1", "#4292c6", "#08519c", "#f0a35e", "#d9722a", "#8c3d0a", "#7a7a7a", "#3f3f3f"];
const BURST_SECONDS = 5;
const BURST_PICTURES = 6;
const BURST_REQUESTS = 6;

const at = (id) => document.getElementById(id);
const headers = () => (at("key").value ? { authorization: `Bearer ${at("key").value}` } : {});

async function ask(path) {
  const response = await fetch(path, { headers: headers() });
  at("key-row").hidden = response.status !== 401 && !at("key").value;
  if (!response.ok) throw new Error(response.status === 401 ? "A key is needed" : `Status ${response.status}`);
  return response.json();
}

function make(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const short = (value) => (value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toPrecision(2));

/** An empty chart with its scale. @returns where a value lies */
function frame(svg, most) {
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const y = (value) => HEIGHT - 18 - ((HEIGHT - 30) * value) / most;
  for (const part of [0, 0.5, 1]) {
    const line = { class: "grid", x1: LEFT, x2: WIDTH, y1: y(part * most), y2: y(part * most) };
    svg.append(
      make("line", line),
      make("text", { x: LEFT - 6, y: y(part * most) + 4, "text-anchor": "end" }, short(part * most)),
    );
  }
  svg.append(
    make("text", { x: LEFT, y: HEIGHT - 2 }, "2 min ago"),
    make("text", { x: WIDTH, y: HEIGHT - 2, "text-anchor": "end" }, "now"),
  );
  return { x: (second) => LEFT + ((WIDTH - LEFT) * second) / (SECONDS - 1), y };
}

/** @param series [class, SECONDS values; null: nothing there] */
function lines(svg, series) {
  const most = Math.max(1e-9, ...series.flatMap(([, values]) => values.filter((one) => one !== null)));
  const { x, y } = frame(svg, most);
  for (const [name, values] of series) {
    let path = "";
    values.forEach((value, i) => {
      if (value !== null)
        path += `${i > 0 && values[i - 1] !== null ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    });
    svg.append(make("path", { class: name, d: path }));
  }
}

/** Shares of the exits, one above the other. @param rows SECONDS rows of [E] counts; null: nothing there */
function areas(svg, rows, exits) {
  const { x, y } = frame(svg, 1);
  const width = (WIDTH - LEFT) / (SECONDS - 1);
  const paths = new Array(exits).fill("");
  rows.forEach((counts, second) => {
    const all = counts?.reduce((sum, one) => sum + one, 0);
    if (!all) return;
    let below = 0;
    counts.forEach((count, exit) => {
      const [low, high] = [y(below / all), y((below + count) / all)];
      paths[exit] += `M${x(second) - width / 2} ${low}h${width}V${high}h${-width}Z`;
      below += count;
    });
  });
  paths.forEach((d, exit) => void svg.append(make("path", { d, fill: SHADES[exit] })));
  at("legend").replaceChildren(
    ...paths.map((_, exit) => {
      const [entry, mark] = [document.createElement("span"), document.createElement("i")];
      mark.style.background = SHADES[exit];
      entry.append(mark, `exit ${exit + 1}`);
      return entry;
    }),
  );
}

function table(element, titles, rows) {
  const row = (cells, kind) => {
    const line = document.createElement("tr");
    for (const text of cells) line.append(Object.assign(document.createElement(kind), { textContent: text }));
    return line;
  };
  element.replaceChildren(row(titles, "th"), ...rows.map((cells) => row(cells, "td")));
}

function draw({ now, seconds, exits, lambda, price, waiting, drift, version, versions }) {
  const found = new Map(seconds.map((one) => [one.at, one]));
  // the second that is under way is not whole yet
  const rows = Array.from({ length: SECONDS }, (_, i) => found.get(now - SECONDS + i) ?? null);
  lines(at("arrivals"), [
    ["line", rows.map((row) => row?.arrivals ?? 0)],
    ["line second", rows.map((row) => row?.refused ?? 0)],
  ]);
  lines(at("price"), [["line", rows.map((row) => Math.max(row?.price ?? 0, lambda))]]);
  lines(at("latency"), [
    ["line", rows.map((row) => row?.p50Ms ?? null)],
    ["line second", rows.map((row) => row?.p99Ms ?? null)],
  ]);
  areas(
    at("exits"),
    rows.map((row) => row?.exits ?? null),
    exits,
  );
  const { answers, ...of } = drift ?? {};
  table(
    at("drift"),
    ["of", "stability index", ""],
    Object.entries(of).map(([name, value]) => [
      name,
      value.toFixed(3),
      value > 0.25 ? "changed" : value > 0.1 ? "watch" : "as on validation",
    ]),
  );
  if (!drift) table(at("drift"), ["100 answers at the base price are needed"], []);
  table(
    at("versions"),
    ["version", "since", "judged"],
    (versions.length ? versions : [{ id: version, live: true }]).map((one) => [
      `${one.live ? "* " : ""}${one.id}`,
      one.at ? new Date(one.at).toLocaleString() : "",
      one.judgement
        ? `${one.judgement.before.toFixed(3)} to ${one.judgement.after.toFixed(3)}${one.judgement.better ? "" : ", not better"}`
        : "",
    ]),
  );
  at("status").textContent =
    `price ${short(price)} (quiet: ${short(lambda)}), ${waiting} waiting, version ${version}; orange: refused, 99th percentile`;
}

async function tick() {
  try {
    if (!at("model").options.length) {
      const { models } = await ask("/v1/models");
      at("model").replaceChildren(...models.map(({ name }) => new Option(name, name)));
    }
    draw(await ask(`/v1/models/${encodeURIComponent(at("model").value)}/live`));
  } catch (error) {
    at("status").textContent = error.message;
  }
  setTimeout(tick, 1000);
}

/** Drawn pictures of all kinds, as fast as they are answered. */
async function burst() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
  const context = canvas.getContext("2d");
  const pictures = Array.from({ length: BURST_PICTURES }, (_, i) => {
    context.fillStyle = `hsl(${(i * 47) % 360} 60% 60%)`;
    context.fillRect(0, 0, 64, 64);
    context.fillStyle = `hsl(${(i * 83) % 360} 70% 30%)`;
    context.beginPath();
    if (i % 2) context.arc(32, 32, 8 + (i % 20), 0, 7);
    else context.rect(12 + (i % 9), 12, 20 + (i % 17), 30);
    context.fill();
    return canvas.toDataURL("image/png").split(",")[1];
  });
  const body = JSON.stringify({ pictures });
  const until = performance.now() + 1000 * BURST_SECONDS;
  const model = encodeURIComponent(at("model").value);
  const send = async () => {
    while (performance.now() < until)
      await fetch(`/v1/classify?model=${model}`, {
        method: "POST",
        body,
        headers: { ...headers(), "content-type": "application/json" },
      }).catch(() => null);
  };
  at("burst").disabled = true;
  await Promise.all(Array.from({ length: BURST_REQUESTS }, send));
  at("burst").disabled = false;
}

at("burst").hidden = !["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
at("burst").addEventListener("click", burst);
tick();
