// SPDX-License-Identifier: Apache-2.0
// The main job as a user meets it: scripts, flags, exit codes, Ctrl-C, files.
import assert from 'node:assert/strict';
import { readFileSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { ltlab, root, run, scratch, serve } from '../support/lab.mjs';

const json = (res, value, status = 200) => {
  const text = JSON.stringify(value);
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  res.end(text);
};

const shop = `
import http from 'k6/http';
import { check } from 'k6';
export default function () {
  const r = http.get(__ENV.BASE + '/products/1');
  check(r, { 'status is 200': (r) => r.status === 200, 'in stock': (r) => r.json('stock') > 0 });
}`;

test('a script runs with the flags of both forms and tells the truth about its counts', async (t) => {
  const server = await serve(t, (req, res) => json(res, { stock: 5 }));
  const folder = scratch(t, { 'shop.js': shop });
  for (const form of [['k6', '-s', 'shop.js'], ['k6', 'run', 'shop.js']]) {
    const before = server.seen.length;
    const result = await run([...form, '--vus', '3', '--iterations', '30', '-e', `BASE=${server.base}`], { cwd: folder });
    assert.equal(result.code, 0, result.stderr);
    assert.equal(server.seen.length - before, 30);
    assert.match(result.stdout, /checks_succeeded\.*: 100\.00% 60 out of 60/);
    assert.match(result.stdout, /http_reqs\.*: 30 /);
    assert.match(result.stdout, /✓ in stock/);
  }
});

test('the binary called k6 takes k6\'s own commands', async (t) => {
  const server = await serve(t, (req, res) => json(res, { stock: 5 }));
  const folder = scratch(t, { 'shop.js': shop });
  symlinkSync(ltlab, join(folder, 'k6'));
  const result = await run(['run', 'shop.js', '-e', `BASE=${server.base}`], { cwd: folder, program: join(folder, 'k6') });
  assert.equal(result.code, 0, result.stderr);
  assert.equal(server.seen.length, 1);
});

test('a crossed threshold ends with 99 and the summary says which', async (t) => {
  const server = await serve(t, (req, res) => json(res, {}, 500));
  const folder = scratch(t, { 'x.js': `
import http from 'k6/http';
export const options = { iterations: 4, thresholds: { http_req_failed: ['rate<0.5'], http_reqs: ['count==4'] } };
export default () => { http.get('${server.base}/'); };` });
  const result = await run(['k6', 'run', 'x.js'], { cwd: folder });
  assert.equal(result.code, 99);
  assert.match(result.stdout, /✗ 'rate<0\.5' rate=100\.00%/);
  assert.match(result.stdout, /✓ 'count==4' count=4/);
  assert.match(result.stderr, /thresholds on metrics 'http_req_failed' have been crossed/);
});

test('abortOnFail stops the run early', async (t) => {
  const server = await serve(t, (req, res) => json(res, {}, 500));
  const folder = scratch(t, { 'x.js': `
import http from 'k6/http';
import { sleep } from 'k6';
export const options = { vus: 1, duration: '30s', thresholds: { http_req_failed: [{ threshold: 'rate<0.1', abortOnFail: true }] } };
export default () => { http.get('${server.base}/'); sleep(0.2); };` });
  const began = Date.now();
  const result = await run(['k6', 'run', 'x.js'], { cwd: folder });
  assert.equal(result.code, 99);
  assert.ok(Date.now() - began < 20000);
});

for (const [name, file, text, args, code, message] of [
  ['a missing script', 'a.js', '', ['missing.js'], 255, /missing\.js/],
  ['a syntax error', 'a.js', 'export default function () {\n  const = 1;\n}', ['a.js'], 107, /a\.js:2/],
  ['an exception in the init context', 'a.js', 'null.x;\nexport default () => {}', ['a.js'], 107, /a\.js:1/],
  ['no exported function', 'a.js', 'const x = 1;', ['a.js'], 255, /default/],
  ['a bad option', 'a.js', 'export const options = { scenarios: { s: { executor: "nope" } } };\nexport default () => {}', ['a.js'], 104, /nope/],
  ['a bad threshold', 'a.js', 'export const options = { thresholds: { http_reqs: ["cuont>1"] } };\nexport default () => {}', ['a.js'], 104, /cuont/],
  ['an unknown flag', 'a.js', 'export default () => {}', ['a.js', '--vuss', '1'], 255, /unknown flag: --vuss/],
  ['an aborted test', 'a.js', 'import exec from "k6/execution";\nexport default () => exec.test.abort("enough");', ['a.js'], 108, /enough/],
]) {
  test(`exit code ${code}: ${name}`, async (t) => {
    const folder = scratch(t, { [file]: text });
    const result = await run(['k6', 'run', ...args], { cwd: folder });
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, message);
  });
}

test('a missing import is named with the line to write', async (t) => {
  const folder = scratch(t, { 'a.js': 'import http from "k6/http";\nsleep(1);\nexport default () => {}' });
  const result = await run(['k6', 'run', 'a.js'], { cwd: folder });
  assert.equal(result.code, 107);
  assert.match(result.stderr, /import \{ sleep \} from ["']k6["']/);
});

test('an exception ends its iteration only, and says where', async (t) => {
  const folder = scratch(t, { 'a.js': `
import { Counter } from 'k6/metrics';
const after = new Counter('after');
export const options = { iterations: 4 };
export default () => {
  if (__ITER % 2 === 0) throw new Error('even');
  after.add(1);
};` });
  const result = await run(['k6', 'run', 'a.js'], { cwd: folder });
  assert.equal(result.code, 0);
  assert.equal(result.stderr.match(/Error: even/g).length, 2);
  assert.match(result.stderr, /a\.js:6:/);
  assert.match(result.stdout, /after\.*: 2 /);
});

test('a dead server is an error of the request, not of the run', async (t) => {
  const folder = scratch(t, { 'a.js': `
import http from 'k6/http';
import { check } from 'k6';
export default () => check(http.get('http://127.0.0.1:1/'), { refused: (r) => r.status === 0 && r.error_code === 1212 });` });
  const result = await run(['k6', 'run', 'a.js'], { cwd: folder });
  assert.equal(result.code, 0);
  assert.match(result.stdout, /✓ refused/);
  assert.match(result.stderr, /connection refused/);
});

const slow = `
import { sleep } from 'k6';
export const options = { vus: 2, duration: '50s' };
export default () => sleep(0.1);
export function teardown() { console.log('torn down'); }`;

test('Ctrl-C: teardown, summary, 105', async (t) => {
  const folder = scratch(t, { 'a.js': slow });
  const result = await run(['k6', 'run', 'a.js'], { cwd: folder, onStart: (child) => setTimeout(() => child.kill('SIGINT'), 2500) });
  assert.equal(result.code, 105);
  assert.match(result.stderr, /torn down/);
  assert.match(result.stdout, /iterations\.*: \d+/);
});

test('Ctrl-C twice: at once, and the summary is still there', async (t) => {
  const folder = scratch(t, { 'a.js': slow.replace('sleep(0.1)', 'sleep(40)') });
  const began = Date.now();
  const result = await run(['k6', 'run', 'a.js'], {
    cwd: folder,
    onStart: (child) => [2500, 3500].forEach((ms) => setTimeout(() => child.kill('SIGINT'), ms)),
  });
  assert.equal(result.code, 105);
  assert.ok(Date.now() - began < 20000);
  assert.match(result.stdout, /vus_max\.*: 2/);
});

test('VUs do not see each other\'s variables', async (t) => {
  const folder = scratch(t, { 'a.js': `
import { check, sleep } from 'k6';
export const options = { scenarios: { s: { executor: 'per-vu-iterations', vus: 20, iterations: 3 } } };
let mine = 0;
globalThis.shared = 0;
export default () => {
  mine++;
  globalThis.shared++;
  sleep(0.05);
  check(null, { alone: () => mine === __ITER + 1 && globalThis.shared === __ITER + 1 });
};` });
  const result = await run(['k6', 'run', 'a.js'], { cwd: folder });
  assert.match(result.stdout, /checks_succeeded\.*: 100\.00% 60 out of 60/, result.stderr);
});

test('a busy loop in one VU does not stall the others', async (t) => {
  const folder = scratch(t, { 'a.js': `
import { Counter } from 'k6/metrics';
import { sleep } from 'k6';
const ticks = new Counter('ticks');
export const options = { scenarios: { busy: { executor: 'constant-vus', vus: 1, duration: '4s', gracefulStop: '0s', exec: 'busy' },
  calm: { executor: 'constant-vus', vus: 2, duration: '4s', exec: 'calm' } } };
export function busy() { for (;;); }
export function calm() { sleep(0.1); ticks.add(1); }` });
  const result = await run(['k6', 'run', 'a.js'], { cwd: folder });
  const ticks = Number(result.stdout.match(/ticks\.*: (\d+)/)?.[1] ?? 0);
  assert.ok(ticks > 20, `${ticks} ticks\n${result.stderr}`);
});

test('samples go to json and csv files, whole', async (t) => {
  const server = await serve(t, (req, res) => json(res, { stock: 5 }));
  const folder = scratch(t, { 'shop.js': shop });
  const result = await run(['k6', 'run', 'shop.js', '-i', '5', '-e', `BASE=${server.base}`, '--out', 'json=s.json.gz', '--out', 'csv=s.csv', '--summary-export', 'sum.json'], { cwd: folder });
  assert.equal(result.code, 0, result.stderr);
  const points = gunzipSync(readFileSync(join(folder, 's.json.gz'))).toString().trim().split('\n').map((line) => JSON.parse(line));
  const requests = points.filter((point) => point.type === 'Point' && point.metric === 'http_reqs');
  assert.equal(requests.length, 5);
  assert.equal(requests[0].data.tags.status, '200');
  assert.equal(readFileSync(join(folder, 's.csv'), 'utf8').split('\n').filter((line) => line.startsWith('http_reqs,')).length, 5);
  assert.equal(JSON.parse(readFileSync(join(folder, 'sum.json'), 'utf8')).metrics.http_reqs.count, 5);
});

test('the article\'s CSV script: papaparse from the offline copy, users shared, one request each', async (t) => {
  const server = await serve(t, (req, res) => json(res, { success: true }));
  const folder = scratch(t, {
    'users.csv': 'user_id,region\nu1,north\nu2,south\n',
    'a.js': `
import papaparse from 'https://jslib.k6.io/papaparse/5.1.1/index.js';
import { SharedArray } from 'k6/data';
import http from 'k6/http';
const users = new SharedArray('users', () => papaparse.parse(open('./users.csv').trim(), { header: true }).data);
export const options = { iterations: 2 };
export default () => { http.post('${server.base}/checkout', JSON.stringify(users[__ITER])); };` });
  const result = await run(['k6', 'run', 'a.js'], { cwd: folder });
  assert.equal(result.code, 0, result.stderr);
  assert.deepEqual(server.seen.map((request) => JSON.parse(request.body).user_id), ['u1', 'u2']);
});

test('an arrival rate keeps its rate while the server is slow, and counts what it drops', async (t) => {
  const server = await serve(t, (req, res) => setTimeout(() => json(res, {}), 1000));
  const folder = scratch(t, { 'a.js': `
import http from 'k6/http';
export const options = { scenarios: { s: { executor: 'constant-arrival-rate', rate: 20, duration: '3s', preAllocatedVUs: 5, maxVUs: 5 } } };
export default () => { http.get('${server.base}/'); };` });
  const result = await run(['k6', 'run', 'a.js', '--summary-export', 'sum.json'], { cwd: folder });
  const { metrics } = JSON.parse(readFileSync(join(folder, 'sum.json'), 'utf8'));
  assert.equal(result.code, 0);
  assert.equal(metrics.iterations.count, server.seen.length);
  assert.ok(Math.abs(metrics.iterations.count + metrics.dropped_iterations.count - 60) <= 1);
  assert.ok(metrics.dropped_iterations.count >= 40);
});

test('the toy server and the demo script', async (t) => {
  let server, url = '';
  const ended = run(['lab', 'toy'], { onStart: (child) => { server = child; child.stdout.on('data', (part) => (url += part)); } });
  t.after(() => server.kill());
  for (let i = 0; i < 100 && !url.includes('\n'); i++) await new Promise((done) => setTimeout(done, 50));
  const folder = scratch(t, { 'a.js': `
import http from 'k6/http';
import { check } from 'k6';
export default () => {
  for (const path of ['/health', '/fast', '/users']) check(http.get('${url.trim()}' + path), { ok: (r) => r.status === 200 });
};` });
  const result = await run(['k6', 'run', 'a.js'], { cwd: folder });
  assert.match(result.stdout, /checks_succeeded\.*: 100\.00% 3 out of 3/, result.stderr);
  server.kill('SIGTERM');
  await ended;
});

test('inspect prints the options as JSON', async (t) => {
  const result = await run(['k6', 'inspect', join(root, 'scenarios/demo.js')]);
  assert.equal(result.code, 0, result.stderr);
  const options = JSON.parse(result.stdout);
  assert.deepEqual(options.thresholds['http_req_failed'], ['rate<0.10']);
});

test('after exec.test.abort() no iteration begins', async (t) => {
  const folder = scratch(t, { 'a.js': `
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
const begun = new Counter('begun');
export const options = { vus: 1, iterations: 100000 };
export default () => {
  begun.add(1);
  if (__ITER === 2) exec.test.abort('enough');
};
export const handleSummary = (data) => ({ stdout: String(data.metrics.begun.values.count) });` });
  for (let i = 0; i < 5; i++) {
    const result = await run(['k6', 'run', '-q', 'a.js'], { cwd: folder });
    assert.equal(result.code, 108);
    assert.equal(result.stdout.trim(), '3');
  }
});

test('a GET on a connection that the server has just closed is sent again, a POST is not', async (t) => {
  const seen = [];
  const server = createServer((socket) => {
    let requests = 0;
    socket.on('error', () => {});
    socket.on('data', (data) => {
      seen.push(data.toString().split(' ')[0]);
      if (++requests === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      else socket.end();
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  const folder = scratch(t, { 'a.js': `
import http from 'k6/http';
const url = 'http://127.0.0.1:${server.address().port}/';
export default () => {
  const statuses = [http.get(url), http.get(url), http.post(url, 'once')].map((r) => r.status);
  console.log(statuses.join());
};` });
  const result = await run(['k6', 'run', 'a.js'], { cwd: folder });
  assert.match(result.stderr, /msg="200,200,0"/);
  assert.deepEqual(seen, ['GET', 'GET', 'GET', 'POST']);
});

test('each hop of a redirect is tagged with its own address', async (t) => {
  const target = await serve(t, (req, res) => json(res, {}), '127.0.0.2');
  const server = await serve(t, (req, res) => res.writeHead(302, { location: `${target.base}/there` }).end());
  const folder = scratch(t, { 'a.js': `import http from 'k6/http';\nexport default () => { http.get('${server.base}/here'); };` });
  const result = await run(['k6', 'run', 'a.js', '--system-tags', 'ip,status', '--out', 'json=s.json'], { cwd: folder });
  assert.equal(result.code, 0, result.stderr);
  const points = readFileSync(join(folder, 's.json'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const hops = points.filter((point) => point.type === 'Point' && point.metric === 'http_reqs').map((point) => `${point.data.tags.status} ${point.data.tags.ip}`);
  assert.deepEqual(hops, ['302 127.0.0.1', '200 127.0.0.2']);
});

test('__ENV: -e wins over the system, which can be left out', async (t) => {
  const folder = scratch(t, { 'a.js': 'export default () => console.log(`${__ENV.FROM_SYSTEM}/${__ENV.BOTH}`);' });
  const env = { FROM_SYSTEM: 'system', BOTH: 'system' };
  const both = await run(['k6', 'run', 'a.js', '-e', 'BOTH=flag'], { cwd: folder, env });
  assert.match(both.stderr, /msg="?system\/flag/);
  const without = await run(['k6', 'run', 'a.js', '-e', 'BOTH=flag', '--include-system-env-vars=false'], { cwd: folder, env });
  assert.match(without.stderr, /msg="?undefined\/flag/);
});

test('an option that cannot be obeyed is said, not swallowed', async (t) => {
  const folder = scratch(t, { 'a.js': 'export const options = { consoleOutput: "x.log" };\nexport default () => {};' });
  const result = await run(['k6', 'run', 'a.js'], { cwd: folder });
  assert.equal(result.code, 0);
  assert.match(result.stderr, /unknown fields in the options exported in the script: .*consoleOutput/);
});

test('setResponseCallback decides which requests failed', async (t) => {
  const server = await serve(t, (req, res) => json(res, {}, 404));
  const folder = scratch(t, { 'a.js': `
import http from 'k6/http';
export const options = { vus: 2, iterations: 4 };
http.setResponseCallback(http.expectedStatuses(404, { min: 200, max: 299 }));
export default () => { http.get('${server.base}/'); };` });
  const result = await run(['k6', 'run', 'a.js'], { cwd: folder });
  assert.match(result.stdout, /http_req_failed\.*: 0\.00%\s+0 out of 4/, result.stderr);
});

test('a blocking call is not woken by an asyncRequest that ends meanwhile', async (t) => {
  const { base } = await serve(t, (req, res) => setTimeout(() => res.end(req.url), req.url === '/slow' ? 200 : 10));
  const folder = scratch(t, {
    's.js': `import http from 'k6/http'; import { sleep } from 'k6';
export default async function () {
  const first = http.asyncRequest('GET', '${base}/a');
  console.log('body ' + http.get('${base}/slow').body);
  const begun = Date.now(), second = http.asyncRequest('GET', '${base}/b');
  sleep(0.2);
  console.log('slept ' + (Date.now() - begun >= 199), (await first).body, (await second).body);
}`,
  });
  const { code, stderr } = await run(['k6', 'run', '-q', '--log-format', 'raw', join(folder, 's.js')]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /body \/slow/);
  assert.match(stderr, /slept true \/a \/b/);
});

test('hints beside failures: a URL with "undefined", a body that is null', async (t) => {
  const { base } = await serve(t, (req, res) => res.end('fine'));
  const folder = scratch(t, {
    's.js': `import http from 'k6/http';
export const options = { iterations: 5 };
export default function () {
  const user = {};
  http.get('${base}/users/' + user.id + '/orders?q=undefinedness');
  const gone = http.get('http://127.0.0.1:1/');
  console.log(gone.body.length);
}`,
  });
  const { code, stderr } = await run(['k6', 'run', '-q', join(folder, 's.js')]);
  assert.equal(code, 0);
  assert.equal(stderr.match(/users\/undefined\/orders.* contains \\"undefined\\"/g).length, 3);
  assert.match(stderr, /of null.*hint: the body of a response is null/);
});
