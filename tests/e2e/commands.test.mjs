// SPDX-License-Identifier: Apache-2.0
// The commands beside run: lint, new, deps, inspect, archive.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, run, scratch } from '../support/lab.mjs';

const rules = (result) => JSON.parse(result.stdout).findings.map((f) => `${f.rule}:${f.line}`);

// ---- lint ----

test('lint names the line, the mistake and what to write instead, and ends with 1', async (t) => {
  const folder = scratch(t, { 'x.js': "export default function () {\n  http.get('http://127.0.0.1/');\n}\n" });
  const result = await run(['lint', 'x.js'], { cwd: folder });
  assert.equal(result.code, 1, result.stderr);
  assert.match(result.stdout, /^x\.js:2:3: warning: http is not imported/m);
  assert.match(result.stdout, /2 \|   http\.get\('http:\/\/127\.0\.0\.1\/'\);\n +\|   \^\n +write: import http from 'k6\/http';/);
  assert.match(result.stdout, /^x\.js:1:1: warning: no think time/m);
  assert.match(result.stdout, /^2 warnings$/m);
});

test('lint ends with 0 for a script without mistakes, the demo among them', async () => {
  const result = await run(['lint', join(root, 'scenarios/demo.js')]);
  assert.equal(result.code, 0, result.stdout + result.stderr);
  assert.equal(result.stdout, 'no warnings\n');
});

test('lint tells of a missing import at the top level though the script cannot be loaded', async (t) => {
  const folder = scratch(t, { 'x.js': "const c = new Counter('c');\nexport default () => { c.add(1); };\n" });
  const result = await run(['lint', '--json', 'x.js'], { cwd: folder });
  assert.equal(result.code, 1, result.stderr);
  assert.deepEqual(rules(result), ['missing-import:1']);
  assert.equal(JSON.parse(result.stdout).findings[0].instead, "import { Counter } from 'k6/metrics';");
});

test('lint says why a script cannot be loaded, with the exit code that a run has', async (t) => {
  const folder = scratch(t, { 'x.js': 'null.x;\nexport default () => {};\n' });
  const result = await run(['lint', 'x.js'], { cwd: folder });
  assert.equal(result.code, 107);
  assert.match(result.stderr, /does not load.*null/);
  assert.equal((await run(['lint', 'missing.js'], { cwd: folder })).code, 255);
});

test('lint judges the load by the evaluated options, local modules and -e', async (t) => {
  const folder = scratch(t, {
    'pause.js': "import { sleep } from 'k6';\nexport const pause = () => sleep(1);\n",
    'x.js': `import http from 'k6/http';
import { pause } from './pause.js';
const N = 20;
export const options = { scenarios: { herd: { executor: 'shared-iterations', vus: N * 5, iterations: N * 5 } } };
export default () => { http.get(\`\${__ENV.BASE}/\`); pause(); };
`,
  });
  assert.deepEqual(rules(await run(['lint', '--json', 'x.js'], { cwd: folder })), ['herd:4', 'undefined-in-url:5']);
  assert.deepEqual(rules(await run(['lint', '--json', '-e', 'BASE=http://a', 'x.js'], { cwd: folder })), ['herd:4']);
});

test('lint compares CSV files with the way they are read', async (t) => {
  const folder = scratch(t, {
    'users.csv': '1\n2\n',
    'x.js': `import http from 'k6/http';
import { sleep } from 'k6';
import papaparse from './papaparse.js';
const users = papaparse.parse(open('./users.csv'), { header: true }).data;
export default () => { http.get(\`http://a/users/\${users[0].id}\`); sleep(1); };
`,
    'papaparse.js': 'export default { parse: () => ({ data: [{}] }) };\n',
  });
  assert.deepEqual(rules(await run(['lint', '--json', 'x.js'], { cwd: folder })), ['csv-empty-row:4', 'csv-header:4']);
});

// The scripts of the article that ltlab began with are not part of this repository; these are their mistakes.
test('lint finds a body that may be null and load that never changes', async (t) => {
  const folder = scratch(t, { 'x.js': `import http from 'k6/http';
import { check, sleep } from 'k6';
export const options = {
  vus: 50,
  duration: '5m',
};
export default function () {
  const res = http.get('http://api/products/1');
  check(res, {
    'loaded': (r) => r.status === 200,
    'has stock': (r) => JSON.parse(r.body).stock > 0,
    'is long': (r) => r.body && r.body.length > 10,
  });
  if (res.status !== 200) console.log(res.body.substring(0, 100));
  sleep(2);
}
` });
  assert.deepEqual(rules(await run(['lint', '--json', 'x.js'], { cwd: folder })), ['constant-load:4', 'null-body:11', 'null-body:14']);
});
