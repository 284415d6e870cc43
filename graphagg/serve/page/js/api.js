/** The service's API: one function a route, named errors, the token where one is asked for. */

import { askToken, storedToken } from "./token.js";

/** What the service refused, or that it did not answer (`type` "Unreachable"). */
export class ApiError extends Error {
  constructor(status, type, message, retryAfter = null) {
    super(message);
    this.status = status;
    this.type = type;
    this.retryAfter = retryAfter;
  }
}

/** True for a request that was dropped since a newer one took its place. */
export function isAbort(error) {
  return error?.name === "AbortError";
}

let collection = null;

/** Asks a collection from now on. */
export function useCollection(name) {
  collection = name;
}

function address(path, root) {
  return collection && !root ? `v1/collections/${encodeURIComponent(collection)}${path ? `/${path}` : ""}` : `v1/${path}`;
}

async function send(path, { body, params, signal, root = false, method = null, accept = "application/json" }, token) {
  const query = params ? `?${new URLSearchParams(params)}` : "";
  const headers = { accept };
  const isForm = body instanceof FormData;
  if (body !== undefined && !isForm) headers["content-type"] = "application/json";
  if (token) headers.authorization = `Bearer ${token}`;
  try {
    return await fetch(`${address(path, root)}${query}`, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      body: body === undefined || isForm ? body : JSON.stringify(body),
      headers,
      signal,
      cache: "no-store",
      credentials: "same-origin",
    });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, "Unreachable", "The service does not answer.");
  }
}

async function call(path, options = {}) {
  const begin = performance.now();
  const response = await admitted(path, options);
  const answer = await read(response);
  if (response.ok && answer !== null) {
    if (options.body !== undefined) dispatchEvent(new Event("answered"));
    return { ...answer, latency_ms: performance.now() - begin };
  }
  throw refusal(response, answer);
}

function refusal(response, answer) {
  const { type = "Unexpected", message = "" } = answer?.error ?? {};
  return new ApiError(response.status, type, message, response.headers.get("retry-after"));
}

/** Takes server-sent events as they come; an error event is thrown. */
async function events(path, options, told) {
  const response = await admitted(path, { ...options, accept: "text/event-stream" });
  if (!response.ok) throw refusal(response, await read(response));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n\n");
    rest = lines.pop();
    for (const line of lines) {
      const event = JSON.parse(line.replace(/^data: /, ""));
      if (event.error) throw new ApiError(0, event.error.type, event.error.message);
      told(event);
    }
  }
  if (rest.trim()) throw new ApiError(0, "Unreachable", "The response ended before it was complete.");
}

/** The response to a request, with a token where one is asked for. */
async function admitted(path, options) {
  let token = storedToken();
  let response = await send(path, options, token);
  while (response.status === 401) {
    // Another request may have got the token while this one was on its way.
    const newer = storedToken();
    token = newer && newer !== token ? newer : await askToken(Boolean(token));
    if (!token) throw new ApiError(401, "Unauthorized", "The service asks for a token.");
    response = await send(path, options, token);
  }
  return response;
}

async function read(response) {
  try {
    return await response.json();
  } catch (error) {
    if (isAbort(error)) throw error;
    return null;
  }
}

export const info = () => call("info", { root: true });

/** What the chosen collection holds. */
export const collectionInfo = () => call("");

/** The collection, or else the service. */
export const current = () => (collection ? collectionInfo() : info());

export const collections = () => call("collections", { root: true });

export const create = (body) => call("collections", { root: true, body });

export const removeCollection = () => call("", { method: "DELETE" });

export const remove = (ids) => call("passages/delete", { body: { ids } });

export const removeFile = (path) => call(`files/${path.split("/").map(encodeURIComponent).join("/")}`, { method: "DELETE" });

export const documents = (params, signal) => call("documents", { params, signal });

export const upload = (form, told) => events("files", { body: form }, told);

export const sync = (told) => events("sync", { method: "POST" }, told);

export const facets = (body, signal) => call("passages/facets", { body, signal });

/** The address of a file of the collection; null without one. */
export function fileAddress(path) {
  return collection ? address(`files/${path.split("/").map(encodeURIComponent).join("/")}`) : null;
}

/** A file of the collection as an address that a tab can open, also where a token is wanted. */
export async function file(path) {
  const response = await admitted(`files/${path.split("/").map(encodeURIComponent).join("/")}`, { accept: "*/*" });
  if (!response.ok) throw refusal(response, await read(response));
  return URL.createObjectURL(await response.blob());
}

/** Whether the service is ready, and what it cannot open; asked without a token. */
export async function ready() {
  const response = await fetch("readyz", { cache: "no-store", credentials: "same-origin" });
  return response.json();
}

export const search = (body, signal) => call("passages/search", { body, signal });

export const community = (body, signal) => call("communities/query", { body, signal });

export const structure = (body, signal) => call("communities/structure", { body, signal });

export const vertices = (prefix, limit, signal) =>
  call("communities/vertices", { params: { prefix, limit }, signal });

export const neighbors = (vertex, limit, signal) =>
  call("communities/neighbors", { params: { vertex, limit }, signal });

export const similar = (vertex, k, signal) =>
  call("embedding/neighbors", { body: { vertex, k }, signal });

/** Themes of a map; while it is made, `told` hears how far it has come. */
export async function themes(body, signal, told) {
  for (;;) {
    const answer = await call("passages/themes", { body: { ...body, wait: false }, signal });
    if (answer.themes) return answer;
    told(answer);
  }
}

export const theme = (body, signal) => call("passages/theme", { body, signal });

export const themeDistribution = (body, signal) => call("passages/theme-distribution", { body, signal });

export const alike = (body, signal) => call("passages/similar", { body, signal });
