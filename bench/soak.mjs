// SPDX-License-Identifier: Apache-2.0
// Soak: the memory that a test takes must not grow with its iterations. The same test with 100,000 and with 2,000,000
// of them, and the most memory that was resident in each.
//   node bench/soak.mjs URL     alone; bench/run.mjs calls soak()
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

async function mostResident(ltlab, url, iterations) {
  const run = spawn('taskset', ['-c', '0', ltlab, 'k6', 'run', '-q', '--summary-mode=disabled', '--iterations', String(iterations), '--vus', '50', join(here, 'hot.js')],
    { stdio: 'ignore', env: { ...process.env, URL: url, SECONDS: '600' }, timeout: 600000 });
  let most = 0;
  const look = setInterval(() => {
    try {
      most = Number(readFileSync(`/proc/${run.pid}/status`, 'utf8').match(/VmHWM:\s+(\d+)/)[1]) / 1024;
    } catch { /* it has just ended */ }
  }, 50);
  const code = await new Promise((done) => run.on('exit', done));
  clearInterval(look);
  if (code !== 0) throw new Error(`${iterations} iterations ended with ${code}`);
  return most;
}

export async function soak(ltlab, url, few = 100000, many = 2000000) {
  const before = await mostResident(ltlab, url, few), after = await mostResident(ltlab, url, many);
  const growth = (after / before - 1) * 100, good = growth <= 10;
  console.log(`soak: ${before.toFixed(1)} MiB at most in ${few} iterations, ${after.toFixed(1)} MiB in ${many}: ${growth.toFixed(1)} % more (goal 10 %): ${good ? 'met' : 'MISSED'}`);
  return good;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = (await soak(process.env.LTLAB ?? join(here, '../build/ltlab'), process.argv[2])) ? 0 : 1;
