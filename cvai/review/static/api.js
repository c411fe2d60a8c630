/** @file Requests to the server, and what went wrong with them, in words. */

import { _ } from "./words.js";

/** A request the server did not fulfil. */
export class Problem extends Error {
  /**
   * @param {string} code stable code, see docs/reference/codes.md
   * @param {string} message what happened
   * @param {string} hint what to do
   * @param {number} status HTTP status, 0 where no answer came
   */
  constructor(code, message, hint, status) {
    super(`${message} ${hint}`.trim());
    this.code = code;
    this.status = status;
  }
}

/** @param {string} name @returns {string} content of a meta element of the page */
export function meta(name) {
  return document.querySelector(`meta[name="${name}"]`)?.getAttribute("content") ?? "";
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>} of a request that was fulfilled
 */
export async function request(path, options = {}) {
  const headers = { "X-CSRF-Token": meta("csrf"), ...options.headers };
  const answer = await fetch(path, { ...options, headers }).catch(() => {
    throw new Problem("no_answer", _("The server does not answer."), _("Nothing is lost; it is tried again."), 0);
  });
  if (answer.status === 401) {
    throw new Problem("sign_in_needed", _("Your session has ended."), _("Sign in again; your draft is kept."), 401);
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Problem(told.code ?? "failed", told.message ?? _("This did not work."), told.hint ?? "", answer.status);
  }
  return answer;
}

/** @param {string} path @returns {Promise<any>} */
export async function getJson(path) {
  return (await request(path)).json();
}

/** @param {string} path @returns {Promise<ArrayBuffer>} */
export async function getBytes(path) {
  return (await request(path)).arrayBuffer();
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {boolean} [leaving] whether the page is being left: the request then outlives it
 * @returns {Promise<any>}
 */
export async function sendJson(method, path, body, leaving = false) {
  const options = { method, body: JSON.stringify(body ?? {}), headers: { "Content-Type": "application/json" } };
  return (await request(path, { ...options, keepalive: leaving })).json();
}
