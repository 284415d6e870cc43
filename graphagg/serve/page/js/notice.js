/** Empty and error states: what happened, why, and what can be done, in words for people. */

import { h, put } from "./dom.js";
import { sentence } from "./words.js";

const TITLES = {
  Unreachable: "The service does not answer",
  Unauthorized: "A token is needed",
  UnknownVertex: "That vertex is not in this graph",
  InvalidFilter: "The filter does not fit",
};

/** @returns {{title: string, text: string, retry: boolean}} an error in words. */
export function inWords(error) {
  if (error.type === "Unreachable") {
    return {
      title: TITLES.Unreachable,
      text: "It may have been stopped, or the connection is gone. Nothing here is lost: start it again and retry.",
      retry: true,
    };
  }
  if (error.status === 401) {
    return {
      title: TITLES.Unauthorized,
      text: "The operator of this service has it. No request was sent without it.",
      retry: true,
    };
  }
  if (error.status === 429 || error.status === 503) {
    return {
      title: "The service is busy",
      text: `${sentence(error.message || "It has too much to do")} Wait a moment, then try again.`,
      retry: true,
    };
  }
  if (error.status >= 500 || !error.message) {
    return {
      title: "The service failed",
      text: sentence(error.message || `It gave no reason, only the status ${error.status ?? "unknown"}`),
      retry: true,
    };
  }
  return { title: TITLES[error.type] ?? "That cannot be answered", text: sentence(error.message), retry: false };
}

/**
 * Shows a notice with buttons.
 * @param {HTMLElement} place
 * @param {{title: string, text: string, actions?: [string, Function][], alert?: boolean}} notice
 */
export function notice(place, { title, text, actions = [], alert = false }) {
  const buttons = actions.map(([label, act]) =>
    h("button", { type: "button", onclick: act }, label),
  );
  put(
    place,
    h(
      "div",
      { class: alert ? "notice bad" : "notice", role: alert ? "alert" : null },
      h("p", { class: "notice-title" }, title),
      text ? h("p", {}, text) : null,
      buttons.length ? h("div", { class: "actions" }, buttons) : null,
    ),
  );
}

/** Shows an error with a way to go on. */
export function errorNotice(place, error, retry, actions = []) {
  const words = inWords(error);
  const all = words.retry ? [["Try again", retry], ...actions] : actions;
  notice(place, { ...words, actions: all, alert: true });
}
