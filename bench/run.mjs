// SPDX-License-Identifier: Apache-2.0
// make bench: ltlab beside wrk against one nginx, everything on this machine's loopback, in one run.
// Figures: CPU per request (user + system of the generator, pinned to one core), resident memory per VU, start-up, truth of latencies under a
// busy generator, memory after two million iterations.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { soak } from './soak.mjs';
import { latencyTruth } from './truth.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const ltlab = process.env.LTLAB ?? join(here, '../build/ltlab');
const seconds = Number(process.env.BENCH_SECONDS ?? 8);
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const vuCounts = (process.env.BENCH_VUS ?? '1000,5000,19000').split(',').map(Number);
const ticksPerSecond = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout);

const folder = mkdtempSync(join(tmpdir(), 'ltlab-bench-'));
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

async function startNginx() {
  const port = await freePort();
  mkdirSync(join(folder, 'tmp'));
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/tmp;`).join(' ');
  writeFileSync(join(folder, 'nginx.conf'), `worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 30000; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 600; ${paths}
  server { listen 127.0.0.1:${port} backlog=4096; location / { default_type application/json;
    return 200 '{"id":"flash-sale-item","name":"Flash sale item","stock":1000,"price":47}'; } } }
`);
  const nginx = spawn('taskset', ['-c', '1', '/usr/sbin/nginx', '-c', join(folder, 'nginx.conf'), '-p', folder], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}/item`;
  for (let tries = 0; tries < 100; tries++) {
    try {
      await fetch(url);
      return { nginx, url };
    } catch {
      await sleep(50);
    }
  }
  nginx.kill();
  throw new Error(`nginx did not start: ${readFileSync(join(folder, 'error.log'), 'utf8')}`);
}

// Runs a program on core 0; its output, CPU seconds (user + system) and wall time.
function measured(program, args, env = {}) {
  const began = process.hrtime.bigint();
  const run = spawnSync('bash', ['-c', 'TIMEFORMAT="cpu %U %S"; time taskset -c 0 "$@"', 'bench', program, ...args], {
    encoding: 'utf8', env: { ...process.env, ...env }, maxBuffer: 1 << 26,
  });
  const wallMs = Number(process.hrtime.bigint() - began) / 1e6;
  if (run.status !== 0) throw new Error(`${program} ended with ${run.status}:\n${run.stderr}`);
  const [, user, system] = run.stderr.match(/cpu ([\d.]+) ([\d.]+)/);
  return { output: run.stdout, cpu: Number(user) + Number(system), wallMs };
}

function hotPath(url) {
  const perRequest = { wrk: [], ltlab: [] };
  for (let round = 0; round < rounds; round++) {
    const wrk = measured('wrk', ['-t1', '-c50', `-d${seconds}s`, url]);
    perRequest.wrk.push((wrk.cpu / Number(wrk.output.match(/(\d+) requests in/)[1])) * 1e6);
    const summary = join(folder, 'summary.json');
    const own = measured(ltlab, ['k6', 'run', '-q', '--no-color', '--summary-export', summary, join(here, 'hot.js')], { URL: url, SECONDS: String(seconds) });
    const { metrics } = JSON.parse(readFileSync(summary, 'utf8'));
    if (metrics.checks.fails > 0) throw new Error('checks failed on the hot path');
    perRequest.ltlab.push((own.cpu / metrics.http_reqs.count) * 1e6);
  }
  const wrk = median(perRequest.wrk), own = median(perRequest.ltlab);
  console.log(`CPU per request, one core, 50 connections, median of ${rounds}: wrk ${wrk.toFixed(2)} us, ltlab ${own.toFixed(2)} us: ${(own / wrk).toFixed(2)} times wrk (goal 1.7)`);
}

const residentBytes = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) * 1024;

async function memoryOf(vus, url) {
  const run = spawn(ltlab, ['k6', 'run', '-q', '--summary-mode=disabled', join(here, 'idle.js')], {
    stdio: 'ignore', env: { ...process.env, URL: url, VUS: String(vus), SECONDS: '10' },
  });
  const ended = new Promise((done) => run.on('exit', done));
  let most = 0;
  const timer = setInterval(() => {
    try {
      most = Math.max(most, residentBytes(run.pid));
    } catch { /* it has just ended */ }
  }, 100);
  const code = await ended;
  clearInterval(timer);
  if (code !== 0) throw new Error(`idle.js with ${vus} VUs ended with ${code}`);
  return most;
}

async function memoryPerVu(url) {
  const base = await memoryOf(1, url);
  for (const vus of vuCounts) {
    const bytes = await memoryOf(vus, url);
    console.log(`memory with ${vus} VUs asleep on open connections: ${(bytes / 2 ** 20).toFixed(0)} MiB, ${((bytes - base) / vus / 1024).toFixed(1)} KB a VU (goal 20)`);
  }
}

function startUp() {
  const own = [], nothing = [];
  for (let round = 0; round < 15; round++) {
    nothing.push(measured('/bin/true', []).wallMs);
    own.push(measured(ltlab, ['k6', 'run', '-q', '--summary-mode=disabled', join(here, 'empty.js')]).wallMs);
  }
  console.log(`start-up, an empty script, median of 15: ${(median(own) - median(nothing)).toFixed(1)} ms more than /bin/true in the same harness (${median(own).toFixed(1)} - ${median(nothing).toFixed(1)}; goal 15)`);
}

let server;
try {
  server = await startNginx();
  hotPath(server.url);
  await memoryPerVu(server.url);
  startUp();
  await latencyTruth(ltlab);
  await soak(ltlab, server.url);
} finally {
  server?.nginx.kill();
  rmSync(folder, { recursive: true, force: true });
}
