// A server on a free port with a data folder of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

/** Starts `binary serve`; resolves once it listens, with its base URL and a way to stop it. `more`: its arguments. */
export async function start(binary, more = []) {
  const folder = mkdtempSync(path.join(tmpdir(), "whereof-data-"));
  const child = spawn(binary, ["serve", "--listen", "127.0.0.1:0", "--data-dir", folder, ...more], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const log = [];
  const address = new Promise((resolve, reject) => {
    child.on("error", reject);
    ended.then(() => reject(new Error(`the server ended:\n${log.join("\n")}`)), reject);
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.push(line);
      const found = /listening.* address=(\S+)/.exec(line);
      if (found) resolve(found[1]);
    });
  });
  try {
    return { base: `http://${await address}`, stop };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}
