/** A client of graphagg's HTTP service: `fetch` with the service's paths, bodies and errors. */

/** A refusal of the service. */
export class ServiceError extends Error {
  /**
   * @param {number} status of the answer
   * @param {string} type name of the error, such as UnknownVertex
   * @param {string} message what was found, what was wanted, what to do
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
    const error = body?.error ?? {};
    const message = error.message ?? `no JSON: ${text.slice(0, 200)}`;
    throw new ServiceError(answer.status, String(error.type ?? "NoService"), message);
  }

  return {
    get(path, query = {}) {
      const given = Object.entries(query).filter(([, value]) => value !== undefined);
      const search = new URLSearchParams(given.map(([key, value]) => [key, String(value)]));
      return ask(given.length ? `${path}?${search}` : path, { headers });
    },
    post(path, body) {
      const sent = { ...headers, "content-type": "application/json" };
      return ask(path, { method: "POST", headers: sent, body: JSON.stringify(body) });
    },
  };
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
