/** The bar at the top while answers are on their way, and a word of patience when they take long. */

import { byId, show, toast } from "./dom.js";

let open = 0;

/**
 * Waits for an answer with the bar shown.
 * @param {Promise} promise
 * @param {string|null} patience said after two seconds.
 */
export async function busy(promise, patience = null) {
  open += 1;
  show(byId("progress"), true);
  const timer = patience ? setTimeout(() => toast(patience), 2000) : 0;
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    open -= 1;
    show(byId("progress"), open > 0);
  }
}
