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

async function send(path, { body, params, signal }, token) {
  const query = params ? `?${new URLSearchParams(params)}` : "";
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token) headers.authorization = `Bearer ${token}`;
  try {
    return await fetch(`v1/${path}${query}`, {
      method: body === undefined ? "GET" : "POST",
      body: body === undefined ? undefined : JSON.stringify(body),
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
  let token = storedToken();
  let response = await send(path, options, token);
  while (response.status === 401) {
    // Another request may have got the token while this one was on its way.
    const newer = storedToken();
    token = newer && newer !== token ? newer : await askToken(Boolean(token));
    if (!token) throw new ApiError(401, "Unauthorized", "The service asks for a token.");
    response = await send(path, options, token);
  }
  const answer = await read(response);
  if (response.ok && answer !== null) {
    if (options.body !== undefined) dispatchEvent(new Event("answered"));
    return answer;
  }
  const { type = "Unexpected", message = "" } = answer?.error ?? {};
  throw new ApiError(response.status, type, message, response.headers.get("retry-after"));
}

async function read(response) {
  try {
    return await response.json();
  } catch (error) {
    if (isAbort(error)) throw error;
    return null;
  }
}

export const info = () => call("info");

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

export const similar = (vertex, top_k, signal) =>
  call("embedding/neighbors", { body: { vertex, k: top_k }, signal });

export const themes = (body, signal) => call("passages/themes", { body, signal });

export const theme = (body, signal) => call("passages/theme", { body, signal });

export const light = (body, signal) => call("passages/light", { body, signal });

export const alike = (body, signal) => call("passages/similar", { body, signal });
