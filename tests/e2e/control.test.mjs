// SPDX-License-Identifier: Apache-2.0
// A test that is looked at and controlled from outside: the REST API and the commands that use it.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, scratch } from '../support/lab.mjs';

const controlled = `import { sleep, check, group } from 'k6';
export const options = { scenarios: { s: { executor: 'externally-controlled', vus: 2, maxVUs: 10 } } };
export function setup() { return { from: 'setup' }; }
export default function () { group('g', () => check(1, { ok: (v) => v === 1 })); sleep(0.02); }`;

// A port that nothing listens on now.
async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

async function begin(t, source, args = []) {
  const folder = scratch(t, { 's.js': source }), address = `127.0.0.1:${await freePort()}`;
  const ended = run(['k6', 'run', '-q', '--address', address, ...args, join(folder, 's.js')]);
  const call = async (path, options) => (await fetch(`http://${address}${path}`, options)).json();
  for (let i = 0; ; i++) {
    try {
      await call('/v1/status');
      break;
    } catch (e) {
      if (i > 200) throw e;
      await sleep(20);
    }
  }
  return { address, ended, call, tool: (...words) => run([...words, '--address', address]) };
}

async function until(what, condition) {
  for (let i = 0; i < 250; i++) {
    if (await condition()) return;
    await sleep(20);
  }
  assert.fail(`it never came to this: ${what}`);
}

test('a paused test is resumed, scaled, paused, looked at and stopped', async (t) => {
  const { ended, call, tool } = await begin(t, controlled, ['--paused']);
  const status = async () => (await call('/v1/status')).data.attributes;
  await until('paused before the start', async () => (await status()).status === 4);
  assert.equal((await tool('resume')).code, 0);
  await until('2 VUs', async () => (await status()).vus === 2);
  assert.match((await tool('scale', '--vus', '7')).stdout, /status: 7/);
  await until('7 VUs', async () => (await status()).vus === 7);
  const refused = await tool('scale', '--vus', '70');
  assert.equal(refused.code, 255);
  assert.match(refused.stderr, /0 to 10 VUs/);
  assert.equal((await tool('scale')).code, 255);
  assert.match((await tool('pause')).stdout, /paused: true/);
  const count = async () => (await call('/v1/metrics/iterations')).data.attributes.sample.count;
  await until('no iteration ends any more', async () => {
    const before = await count();
    await sleep(150);
    return before === (await count());
  });
  assert.match((await tool('k6', 'stats')).stdout, /^iterations\n  count: \d+/m);
  const groups = (await call('/v1/groups')).data;
  assert.deepEqual(groups.map((g) => g.attributes.path), ['', '::g']);
  assert.ok(groups[1].attributes.checks[0].passes > 0);
  assert.equal((await call(`/v1/groups/${groups[1].id}`)).data.attributes.name, 'g');
  assert.equal((await call('/v1/metrics/nothing')).errors[0].status, '404');
  assert.deepEqual((await call('/v1/setup')).data.attributes.data, { from: 'setup' });
  assert.equal((await call('/v1/status', { method: 'PATCH', body: 'nonsense' })).errors[0].status, '400');
  assert.equal((await call('/v1/status', { method: 'DELETE' })).errors[0].status, '405');
  await tool('resume');
  await until('it goes on', async () => {
    const before = await count();
    await sleep(100);
    return (await count()) > before;
  });
  await call('/v1/status', { method: 'PATCH', body: JSON.stringify({ data: { attributes: { stopped: true } } }) });
  const { code, stdout, stderr } = await ended;
  assert.equal(code, 103);
  assert.match(stderr, /stopped from the REST API/);
  assert.match(stdout, /iterations\.*: \d+/);
});

test('other executors can not be scaled, and the message says so', async (t) => {
  const { ended, tool } = await begin(t, 'import { sleep } from "k6"; export const options = { vus: 1, duration: "2s" }; export default function () { sleep(0.1); }');
  const { code, stderr } = await tool('scale', '-u', '3');
  assert.equal(code, 255);
  assert.match(stderr, /externally-controlled/);
  assert.equal((await ended).code, 0);
});

test('nothing to talk to, a taken address, a pause that nobody could end', async (t) => {
  const folder = scratch(t, { 's.js': 'export default function () {}' }), port = await freePort();
  const nobody = await run(['status', '-a', `127.0.0.1:${port}`]);
  assert.equal(nobody.code, 255);
  assert.match(nobody.stderr, /no test with a REST API answers/);
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  const taken = `127.0.0.1:${server.address().port}`;
  assert.equal((await run(['k6', 'run', '-q', '--address', taken, join(folder, 's.js')])).code, 106);
  assert.equal((await run(['k6', 'run', '-q', join(folder, 's.js')], { env: { K6_ADDRESS: taken } })).code, 0);
  const paused = await run(['k6', 'run', '-q', '-p', join(folder, 's.js')]);
  assert.equal(paused.code, 104);
  assert.match(paused.stderr, /--address/);
});
