// SPDX-License-Identifier: Apache-2.0
// Latency truth: a server takes 5 ms for every answer while the script keeps its core busy. What the summary says
// about http_req_waiting must be the server's time, not the time until the generator got round to reading. The server
// says what it really took, so that a disturbed machine shows as such.
//   node bench/truth.mjs        alone; bench/run.mjs calls latencyTruth()
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DELAY_MS = 5;
const SCRIPT = `
import http from 'k6/http';
export const options = { vus: 8, duration: __ENV.SECONDS + 's', summaryTrendStats: ['med', 'p(90)'] };
export default function () {
  http.get(__ENV.URL);
  const until = Date.now() + 2;
  while (Date.now() < until);
}`;

// Timers are too coarse for 5 ms, so the server looks at the clock in a loop, on a core that it has to itself.
function serve() {
  const waiting = [], took = [];
  const server = createServer((req, res) => {
    if (req.url === '/median') return res.end(String(took.sort((a, b) => a - b)[took.length >> 1]));
    waiting.push({ res, began: performance.now() });
    if (waiting.length === 1) setImmediate(answerDue);
  });
  function answerDue() {
    while (waiting.length && performance.now() - waiting[0].began >= DELAY_MS) {
      const { res, began } = waiting.shift();
      res.end('ok');
      took.push(performance.now() - began);
    }
    if (waiting.length) setImmediate(answerDue);
  }
  server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));
}

export async function latencyTruth(ltlab, seconds = 8) {
  const folder = mkdtempSync(join(tmpdir(), 'ltlab-truth-'));
  const server = spawn('taskset', ['-c', '1', process.execPath, fileURLToPath(import.meta.url), '--serve'], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const url = String(await new Promise((done, refuse) => server.stdout.once('data', done).once('end', () => refuse(new Error('the delaying server did not start'))))).trim();
    const script = join(folder, 'busy.js'), summary = join(folder, 'summary.json');
    writeFileSync(script, SCRIPT);
    const run = spawnSync('taskset', ['-c', '0', ltlab, 'k6', 'run', '-q', '--summary-mode=full', '--summary-export', summary, script],
      { encoding: 'utf8', env: { ...process.env, URL: url, SECONDS: String(seconds) }, timeout: (seconds + 30) * 1000 });
    if (run.status !== 0) throw new Error(`the busy script ended with ${run.status}:\n${run.stderr}`);
    const { metrics } = JSON.parse(readFileSync(summary, 'utf8'));
    const median = metrics.http_req_waiting.med, lag = metrics.generator_lag?.med;
    const real = Number(await (await fetch(`${url}median`)).text());
    const good = Math.abs(median - DELAY_MS) <= DELAY_MS / 10;
    console.log(`latency truth, a server of ${DELAY_MS} ms and a busy script: median http_req_waiting ${median.toFixed(2)} ms, the server says ${real.toFixed(2)}` +
      `${lag === undefined ? '' : `, generator lag ${lag.toFixed(2)} ms beside it`} (goal 4.5 to 5.5): ${good ? 'met' : 'MISSED'}`);
    return good;
  } finally {
    server.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[2] === '--serve') serve();
else if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = (await latencyTruth(process.env.LTLAB ?? join(dirname(fileURLToPath(import.meta.url)), '../build/ltlab'))) ? 0 : 1;
