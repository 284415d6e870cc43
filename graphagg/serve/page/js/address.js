/** The address after `#` says all that is shown, so that a link reproduces it. */

const DEFAULTS = {
  communities: { seeds: [], method: "fused", size: 50 },
  passages: { question: "", history: [], mode: "multihop", size: 5, page: 1, filters: [], asOf: "", recency: "" },
  themes: { theme: "", name: "", question: "", filters: [] },
  similar: { vertex: "", size: 10 },
  documents: {},
};

/** The state of a view that nobody has touched. */
export function untouched(view) {
  return structuredClone(DEFAULTS[view]);
}

/** @returns {{view: string|null, state: Object|null}} what an address asks for. */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  if (!(path in DEFAULTS)) return { view: null, state: null };
  const params = new URLSearchParams(query);
  return { view: path, state: READERS[path](params, untouched(path)) };
}

const READERS = {
  communities: (params, fallback) => ({
    seeds: [...new Set(params.getAll("seed").filter(Boolean))],
    method: params.get("method") || fallback.method,
    size: whole(params.get("size"), fallback.size),
  }),
  passages: (params, fallback) => ({
    question: params.get("q") ?? "",
    history: params.getAll("after").filter(Boolean),
    mode: params.get("mode") || fallback.mode,
    size: whole(params.get("k"), fallback.size),
    page: whole(params.get("page"), 1),
    filters: readFilters(params),
    asOf: params.get("as_of") ?? "",
    recency: params.get("recency") ?? "",
  }),
  documents: () => ({}),
  themes: (params) => ({
    theme: params.get("theme") ?? "",
    name: params.get("name") ?? "",
    question: params.get("q") ?? "",
    filters: readFilters(params),
  }),
  similar: (params, fallback) => ({
    vertex: params.get("vertex") ?? "",
    size: whole(params.get("k"), fallback.size),
  }),
};

function whole(text, fallback) {
  return /^[1-9]\d{0,5}$/.test(text ?? "") ? Number(text) : fallback;
}

function readFilters(params) {
  return params.getAll("filter").map(readFilter).filter(Boolean);
}

function readFilter(text) {
  try {
    const [key, operator, value] = JSON.parse(text);
    if ([key, operator, value].every((part) => typeof part === "string")) {
      return { key, operator, value };
    }
  } catch {
    // A filter that was mangled on its way is left out.
  }
  return null;
}

/** The address of a state; what equals the default is left out. */
export function format(view, state) {
  const params = new URLSearchParams();
  WRITERS[view](params, state, DEFAULTS[view]);
  const query = params.toString();
  return `#/${view}${query ? `?${query}` : ""}`;
}

const WRITERS = {
  communities(params, state, fallback) {
    for (const seed of state.seeds) params.append("seed", seed);
    if (state.method !== fallback.method) params.set("method", state.method);
    if (state.size !== fallback.size) params.set("size", state.size);
  },
  passages(params, state, fallback) {
    for (const question of state.history ?? []) params.append("after", question);
    if (state.question) params.set("q", state.question);
    if (state.mode !== fallback.mode) params.set("mode", state.mode);
    if (state.size !== fallback.size) params.set("k", state.size);
    if ((state.page ?? 1) > 1) params.set("page", state.page);
    writeFilters(params, state);
    if (state.asOf) params.set("as_of", state.asOf);
    if (state.recency) params.set("recency", state.recency);
  },
  documents() {},
  themes(params, state) {
    if (state.theme) params.set("theme", state.theme);
    if (state.name) params.set("name", state.name);
    if (state.question) params.set("q", state.question);
    writeFilters(params, state);
  },
  similar(params, state, fallback) {
    if (state.vertex) params.set("vertex", state.vertex);
    if (state.size !== fallback.size) params.set("k", state.size);
  },
};

function writeFilters(params, { filters }) {
  for (const { key, operator, value } of filters) {
    params.append("filter", JSON.stringify([key, operator, value]));
  }
}
