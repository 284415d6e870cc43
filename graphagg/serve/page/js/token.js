/** The bearer token: asked for when the service answers 401, kept for this tab only. */

import { byId } from "./dom.js";

const KEY = "graphagg.token";

let asking = null;

/** The token of this tab, or null. */
export function storedToken() {
  return sessionStorage.getItem(KEY);
}

/**
 * Asks the person for the token; requests that wait at the same time share one dialog.
 * @param {boolean} refused whether a token was sent and refused.
 * @returns {Promise<string|null>} null if the person cancels.
 */
export function askToken(refused) {
  asking ??= ask(refused).finally(() => (asking = null));
  return asking;
}

function ask(refused) {
  sessionStorage.removeItem(KEY);
  const dialog = byId("token-dialog");
  const input = byId("token");
  byId("token-about").textContent = refused
    ? "The service did not accept that token. Check it and try again."
    : "It is kept in this tab only and forgotten when you close it.";
  input.value = "";
  return new Promise((resolve) => {
    let token = null;
    const submitted = () => {
      token = input.value.trim() || null;
      if (token) sessionStorage.setItem(KEY, token);
    };
    const cancelled = () => dialog.close();
    byId("token-form").addEventListener("submit", submitted);
    byId("token-cancel").addEventListener("click", cancelled);
    dialog.addEventListener(
      "close",
      () => {
        byId("token-form").removeEventListener("submit", submitted);
        byId("token-cancel").removeEventListener("click", cancelled);
        resolve(token);
      },
      { once: true },
    );
    dialog.showModal();
    input.focus();
  });
}
