// Which page is shown: the part of the address after `#`.

import { h, say } from "./dom.js";
import { onLocked, setKey, hasKey, get } from "./api.js";
import { head, button, trouble, field } from "./parts.js";

const PAGES = [
  [/^jobs$/, () => import("./jobs.js"), "list"],
  [/^jobs\/([^/]+)$/, () => import("./job.js"), "page"],
  [/^runs$/, () => import("./runs.js"), "list"],
  [/^runs\/([^/]+)$/, () => import("./run.js"), "page"],
  [/^compare$/, () => import("./runs.js"), "compare"],
  [/^models$/, () => import("./models.js"), "list"],
  [/^models\/([^/]+)$/, () => import("./models.js"), "page"],
  [/^models\/([^/]+)\/try$/, () => import("./try.js"), "page"],
  [/^models\/([^/]+)\/use$/, () => import("./monitoring.js"), "page"],
  [/^models\/([^/]+)\/limitations$/, () => import("./limitations.js"), "page"],
  [/^datasets$/, () => import("./datasets.js"), "list"],
  [/^datasets\/([^/]+)$/, () => import("./datasets.js"), "page"],
  [/^datasets\/([^/]+)\/train$/, () => import("./train.js"), "page"],
];

const main = document.getElementById("main");
let leaving = new AbortController();

async function show() {
  const [path, query] = (location.hash.replace(/^#\/?/, "") || "jobs").split("?");
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  for (const item of document.querySelectorAll(".bar nav a")) {
    const here = item.getAttribute("href") === `#/${path.split("/")[0]}`;
    if (here) item.setAttribute("aria-current", "page");
    else item.removeAttribute("aria-current");
  }
  document.querySelectorAll("dialog").forEach((dialog) => dialog.remove());
  const found = PAGES.map(([pattern, load, name]) => [pattern.exec(path), load, name]).find(([match]) => match);
  const fresh = h("div", { class: "page" });
  try {
    if (!found) throw new Error("There is no such page.");
    const [match, load, name] = found;
    const module = await load();
    const waiting = setTimeout(() => { if (!signal.aborted) main.replaceChildren(h("p", { class: "soft waiting", role: "status" }, "Loading …")); }, 300);
    try {
      await module[name]({ into: fresh, signal, query: new URLSearchParams(query), args: match.slice(1).map(decodeURIComponent) });
    } finally { clearTimeout(waiting); }
  } catch (error) {
    if (signal.aborted || error.status === 401) return;
    fresh.replaceChildren(head("This did not work"), trouble(error), h("p", {}, button("Try again", show)));
  }
  if (signal.aborted) return;
  const before = main.childElementCount > 0 && !main.querySelector("noscript");
  main.replaceChildren(fresh);
  window.scrollTo(0, 0);
  if (before) main.focus({ preventScroll: true });
  say(document.title);
}

/** The form that asks for an API key. */
function signIn() {
  leaving.abort();
  const wrong = hasKey();
  setKey(null);
  const input = h("input", { type: "password", name: "key", autocomplete: "current-password", required: true, spellcheck: "false" });
  const form = h("form", { class: "card narrow", onsubmit: async (event) => {
    event.preventDefault();
    setKey(input.value.trim());
    try { await get("/v1/jobs?limit=1"); out(); show(); } catch (error) {
      if (error.status !== 401) form.append(trouble(error));
    }
  } },
  field("API key", input, "It is kept for this tab only, and forgotten when you close it."),
  wrong && h("p", { class: "bad", role: "alert" }, "The server does not know this key."),
  h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, "Sign in")));
  main.replaceChildren(h("div", { class: "page" }, head("Sign in", { about: "This server asks for an API key." }), form));
  input.focus();
}

/** A button that forgets the key, where there is one. */
function out() {
  if (!hasKey() || document.getElementById("out")) return;
  document.querySelector(".bar nav").append(h("button", { type: "button", id: "out", class: "small", onclick: () => { setKey(null); location.reload(); } }, "Sign out"));
}

out();
onLocked(signIn);
// The part after `#` is the place, so the link to the content cannot be one.
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
window.addEventListener("hashchange", show);
show();
