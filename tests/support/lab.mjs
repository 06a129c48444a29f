// SPDX-License-Identifier: Apache-2.0
// What the end-to-end tests share: a scratch folder, a server, and a run of ltlab.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const ltlab = resolve(root, process.env.LTLAB ?? 'build/ltlab');

// A folder that goes when the test ends; files: { name: text }.
export function scratch(t, files = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'ltlab-e2e-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

// An HTTP server on a free port of a loopback address that ends with the test. Returns its base URL and what it has seen.
export async function serve(t, handler, address = '127.0.0.1') {
  const seen = [];
  const server = http.createServer((req, res) => {
    let body = '';
    req.on('data', (part) => (body += part)).on('end', () => {
      seen.push({ method: req.method, url: req.url, headers: req.headers, body });
      handler(req, res, body);
    });
  });
  await new Promise((done) => server.listen(0, address, done));
  t.after(() => server.close() && server.closeAllConnections());
  return { base: `http://${address}:${server.address().port}`, port: server.address().port, seen };
}

// Runs ltlab to its end (at most 60 s); onStart gets the process.
export function run(args, { cwd, env, onStart, program = ltlab, argv0 } = {}) {
  return new Promise((done, refuse) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, NO_COLOR: '1', ...env }, argv0, timeout: 60000, killSignal: 'SIGKILL' });
    let stdout = '', stderr = '';
    child.stdout.on('data', (part) => (stdout += part));
    child.stderr.on('data', (part) => (stderr += part));
    child.on('error', refuse).on('close', (code, signal) => done({ code, signal, stdout, stderr }));
    onStart?.(child);
  });
}
