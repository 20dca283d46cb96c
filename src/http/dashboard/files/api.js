// The REST API: JSON, problems, uploads with their progress, events of a job.

const KEY = "whereof-key";
let ask = null;

export const key = () => sessionStorage.getItem(KEY);
export const hasKey = () => key() !== null;
export function setKey(value) {
  if (value === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, value);
}
/** What is done when the server asks for a key. */
export function onLocked(then) { ask = then; }

/** A problem that the server answered (RFC 9457). */
export class Problem extends Error {
  constructor(body, status) {
    super(body.detail ?? `The server answered ${status}.`);
    this.status = status;
    this.body = body;
  }
}

function headers(more) {
  return key() ? { authorization: `Bearer ${key()}`, ...more } : { ...more };
}

async function problem(answer) {
  let body = {};
  try { body = await answer.json(); } catch { body = { detail: `The server answered ${answer.status}.` }; }
  if (answer.status === 401) ask?.();
  return new Problem(body, answer.status);
}

async function send(method, path, { body, signal, accept } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method, signal,
      headers: headers({ ...(body === undefined ? {} : { "content-type": "application/json" }), ...(accept ? { accept } : {}) }),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "No answer", detail: "The server does not answer.", hint: "Is it still running?" }, 0);
  }
  if (!answer.ok) throw await problem(answer);
  return answer.status === 204 ? null : answer.json();
}

export const get = (path, signal) => send("GET", path, { signal });
export const post = (path, body, signal) => send("POST", path, { body: body ?? {}, signal });
export const act = (path) => send("POST", path);
export const put = (path, body) => send("PUT", path, { body });
export const patch = (path, body) => send("PATCH", path, { body });
export const remove = (path) => send("DELETE", path);

/** Uploads a file as a dataset; `told` hears the share that is sent. */
export function upload(file, told) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/datasets");
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => { if (event.lengthComputable) told(event.loaded / event.total); };
    request.onerror = () => reject(new Problem({ detail: "The upload broke off.", hint: "Is the server still running?" }, 0));
    request.onload = () => {
      let body = {};
      try { body = JSON.parse(request.responseText); } catch { /* told by the status alone */ }
      if (request.status === 401) ask?.();
      if (request.status < 300) resolve(body);
      else reject(new Problem(body, request.status));
    };
    const form = new FormData();
    form.append("file", file, file.name);
    request.send(form);
  });
}

/** Saves a file: a blob, or what an address answers. */
export async function save(what, name, accept) {
  let blob = what;
  if (typeof what === "string") {
    const answer = await fetch(what, { headers: headers(accept ? { accept } : {}) });
    if (!answer.ok) throw await problem(answer);
    blob = await answer.blob();
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const names = new Map();

/** The name of a dataset, which never changes; empty where it is gone. */
export function datasetName(id, signal) {
  if (!names.has(id)) {
    const asked = get(`/v1/datasets/${id}`, signal).then((set) => set.name, (error) => { if (error.status !== 404) names.delete(id); return ""; });
    names.set(id, asked);
  }
  return names.get(id);
}

/**
 * Follows the events of a job until it ends or `signal` aborts; goes on after a broken connection. While the
 * page is hidden it lets the connection go: a browser has few of them for all of its tabs.
 */
export async function follow(job, heard, signal) {
  let last = null;
  while (!signal.aborted) {
    const leave = new AbortController();
    const stop = () => leave.abort();
    const hide = () => { if (document.hidden) stop(); };
    signal.addEventListener("abort", stop);
    document.addEventListener("visibilitychange", hide);
    try {
      if (document.hidden) throw new DOMException("hidden", "AbortError");
      await read(job, heard, last, (id) => { last = id; }, leave.signal);
      return;
    } catch (error) {
      if (signal.aborted || (error instanceof Problem && error.status)) return;
      await new Promise((wake) => setTimeout(wake, 1000));
    } finally {
      signal.removeEventListener("abort", stop);
      document.removeEventListener("visibilitychange", hide);
    }
  }
}

/** Reads a stream of events (server-sent events) to its end. */
async function read(job, heard, last, reached, signal) {
  const answer = await fetch(`/v1/jobs/${job}/events`, { signal, headers: headers(last ? { "last-event-id": last } : {}) });
  if (!answer.ok) throw await problem(answer);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { data: "" };
      for (const line of block.split("\n")) {
        const at = line.indexOf(":");
        if (at > 0) event[line.slice(0, at)] = line.slice(at + 1).trimStart();
      }
      if (event.id) reached(event.id);
      if (event.event) heard(event.event, JSON.parse(event.data));
    }
  }
}
