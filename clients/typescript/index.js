/** A client of graphagg's HTTP service: `fetch` with the service's paths, bodies and errors. */

/** A refusal of the service. */
export class ServiceError extends Error {
  /**
   * @param {number} status of the answer
   * @param {string} type name of the error, such as UnknownVertex
   * @param {string} message what was found, what was expected, what to do
   */
  constructor(status, type, message) {
    super(message);
    this.name = "ServiceError";
    this.status = status;
    this.type = type;
  }
}

/** A client of the service at `baseUrl`; see index.d.ts for the types of its answers. */
export function createClient({ baseUrl, token, fetch = globalThis.fetch }) {
  const base = baseUrl.replace(/\/+$/, "");
  const headers = token ? { authorization: `Bearer ${token}` } : {};

  async function ask(path, options) {
    const answer = await fetch(base + path, options);
    const text = await answer.text();
    const body = json(text);
    if (answer.ok && body !== undefined) return body;
    throw refusal(answer.status, text);
  }

  function send(method, path, body) {
    const sent = { ...headers, "content-type": "application/json" };
    return ask(path, { method, headers: sent, body: JSON.stringify(body) });
  }

  return {
    get(template, query = {}, names = {}) {
      const path = filled(template, names);
      const given = Object.entries(query).filter(([, value]) => value !== undefined);
      const search = new URLSearchParams(given.map(([key, value]) => [key, String(value)]));
      return ask(given.length ? `${path}?${search}` : path, { headers });
    },
    post: (path, body, names = {}) => send("POST", filled(path, names), body),
    put: (path, body, names = {}) => send("PUT", filled(path, names), body),
    delete: (path, names = {}) => ask(filled(path, names), { method: "DELETE", headers }),
    async upload(name, files, told = () => {}) {
      const path = filled("/v1/collections/{name}/files", { name });
      const form = new FormData();
      for (const each of files) form.append("file", new Blob([each.content]), each.name);
      const sent = { ...headers, accept: "text/event-stream" };
      const answer = await fetch(base + path, { method: "POST", headers: sent, body: form });
      if (!answer.ok) throw refusal(answer.status, await answer.text());
      return events(answer.body, told);
    },
  };
}

/** A path with the names that its braces stand for. */
function filled(path, names) {
  return path.replace(/\{(\w+)\}/g, (_, key) => encodeURIComponent(names[key] ?? ""));
}

function refusal(status, text) {
  const error = json(text)?.error ?? {};
  const message = error.message ?? `no JSON: ${text.slice(0, 200)}`;
  return new ServiceError(status, String(error.type ?? "NoService"), message);
}

/** The outcome of a write that tells its progress as server-sent events. */
async function events(stream, told) {
  let rest = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n\n");
    rest = lines.pop();
    for (const line of lines) {
      const event = JSON.parse(line.replace(/^data: /, ""));
      if (event.error) throw new ServiceError(200, event.error.type, event.error.message);
      if (event.done) return event.done;
      told(event.progress);
    }
  }
  throw new ServiceError(0, "NoService", "the response ended before it was complete; check what was written");
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
